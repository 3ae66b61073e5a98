"""Evaluates the exported checkpoint with a forward pass of its own, in f32.

Reads model.safetensors, config.json and tokenizer.json from a folder and nothing
else; shares no code with train.py.  Every step has the exact quantised meaning:
int8 activation codes times ternary codes, summed exactly, then scaled.

    python evaluate.py --model .. --text tinyshakespeare.txt --held-out
    python evaluate.py --model .. --text ../prose.txt
    python evaluate.py --model .. --text ../prose.txt --reference reference.npy --tokens 256
    python evaluate.py --model .. --sample "ROMEO:" --temperature 0.8 --length 200
    python evaluate.py --model .. --losses ../losses.json --text tinyshakespeare.txt

Loss protocol: the text is tokenised as a whole, without bos, and cut into
consecutive windows of 256 tokens.  Each window is fed as bos and its tokens but
the last, and predicts its tokens: every token of the text exactly once.  A last,
shorter window counts too.  The loss is the mean over all tokens, in nats.

Shapes in comments: B windows, T positions, D hidden, H heads, G key/value heads,
E head_dim, V vocabulary.
"""

import argparse
import json
import os

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

WINDOW = 256
PROTOCOL = ("text tokenised as a whole without bos; consecutive windows of 256 tokens; each window "
            "is fed as bos and its tokens but the last and predicts its tokens; the last, shorter "
            "window counts; mean over all tokens in nats; f32, exact quantised semantics of the "
            "exported file. heldout: the last tenth of tinyshakespeare.txt (karpathy/char-rnn), cut "
            "after a newline. prose: prose.txt. kneser_ney: interpolated modified 5-gram over the "
            "same tokens of the held-out text as one stream, contexts not cut at windows")


def unpack(p, rows):
    """uint8 [R, in] -> T [rows, in] in {-1,0,1}: row r is in stored row r mod R, bits 2*(r div R)."""
    codes = torch.cat([(p >> 2 * i) & 3 for i in range(4)])[:rows]
    assert int(codes.max()) <= 2, "code 3 in a ternary tensor"
    return codes.float() - 1


class Checkpoint:
    """The tensors of a packed BitNet checkpoint, widened to f32, and its shape."""

    def __init__(self, folder):
        with open(os.path.join(folder, "config.json")) as f:
            c = json.load(f)
        assert c["model_type"] == "bitnet" and c["hidden_act"] == "relu2"
        assert c["tie_word_embeddings"]
        assert c["quantization_config"]["linear_class"] == "autobitlinear"
        self.hidden, self.layers = c["hidden_size"], c["num_hidden_layers"]
        self.heads, self.kv_heads = c["num_attention_heads"], c["num_key_value_heads"]
        self.head_dim = self.hidden // self.heads
        self.eps, self.theta = c["rms_norm_eps"], c["rope_theta"]
        self.context, self.bos, self.eos = (c["max_position_embeddings"], c["bos_token_id"],
                                            c["eos_token_id"])
        kv = self.kv_heads * self.head_dim
        rows = {"q": self.hidden, "k": kv, "v": kv, "o": self.hidden, "gate": c["intermediate_size"],
                "up": c["intermediate_size"], "down": self.hidden}
        self.tensors = {}
        for name, t in load_file(os.path.join(folder, "model.safetensors")).items():
            packed = t.dtype == torch.uint8
            self.tensors[name] = unpack(t, rows[name.split(".")[-2][:-5]]) if packed else t.float()
        self.embed = self.tensors["model.embed_tokens.weight"]

    def layer(self, n, name):
        return self.tensors[f"model.layers.{n}.{name}"]


def norm(x, w, eps):
    """RMSNorm over the last axis."""
    return (x * (1.0 / torch.sqrt(x.square().mean(-1, keepdim=True) + eps))) * w


def quantise(x):
    """[..., in] -> int8 codes (as f32) and r = 1/s [..., 1]."""
    s = 127.0 / x.abs().amax(-1, keepdim=True).clamp(min=1e-5)
    return torch.clamp(torch.round(x * s), -127, 127), 1.0 / s


def linear(m, n, name, codes):
    """y = float(acc) * (alpha * r).  |acc| <= 127 * in < 2^24, so the f32 product is exact."""
    q, r = codes
    acc = q @ m.layer(n, name + ".weight").T
    return acc * (m.layer(n, name + ".weight_scale") * r)


def rope(x, theta):
    """Rotate-half on [B, heads, T, E]; positions 0..T-1."""
    t, e = x.shape[-2:]
    inv = theta ** (-torch.arange(0, e, 2, dtype=torch.float64) / e)
    angle = torch.arange(t, dtype=torch.float64)[:, None] * inv            # [T, E/2]
    c, s = angle.cos().float(), angle.sin().float()
    a, b = x[..., :e // 2], x[..., e // 2:]
    return torch.cat([a * c - b * s, b * c + a * s], -1)


def attention(m, n, h):
    """h [B, T, D] -> [B, T, D]"""
    b, t, _ = h.shape
    codes = quantise(h)

    def heads(name, count):
        return linear(m, n, f"self_attn.{name}", codes).view(b, t, count, m.head_dim).transpose(1, 2)

    q = rope(heads("q_proj", m.heads), m.theta)
    k = rope(heads("k_proj", m.kv_heads), m.theta)
    v = heads("v_proj", m.kv_heads)
    group = m.heads // m.kv_heads                                           # query head i reads i // group
    k, v = (x.repeat_interleave(group, 1) for x in (k, v))
    scores = (q @ k.transpose(-1, -2)) / m.head_dim ** 0.5                  # [B, H, T, T]
    scores = scores.masked_fill(torch.ones(t, t, dtype=torch.bool).triu(1), float("-inf"))
    a = (torch.softmax(scores, -1) @ v).transpose(1, 2).reshape(b, t, m.hidden)
    a = norm(a, m.layer(n, "self_attn.attn_sub_norm.weight"), m.eps)
    return linear(m, n, "self_attn.o_proj", quantise(a))


def feed_forward(m, n, h):
    """h [B, T, D] -> [B, T, D]"""
    codes = quantise(h)
    gate, up = linear(m, n, "mlp.gate_proj", codes), linear(m, n, "mlp.up_proj", codes)
    f = norm(torch.relu(gate).square() * up, m.layer(n, "mlp.ffn_sub_norm.weight"), m.eps)
    return linear(m, n, "mlp.down_proj", quantise(f))


@torch.no_grad()
def forward(m, ids):
    """ids [B, T] -> logits [B, T, V]"""
    x = m.embed[ids]
    for n in range(m.layers):
        x = x + attention(m, n, norm(x, m.layer(n, "input_layernorm.weight"), m.eps))
        x = x + feed_forward(m, n, norm(x, m.layer(n, "post_attention_layernorm.weight"), m.eps))
    return norm(x, m.tensors["model.norm.weight"], m.eps) @ m.embed.T


def held_out_part(data):
    """The last tenth of the bytes, from the first line that starts in it or just before it."""
    return data[data.rfind(b"\n", 0, len(data) * 9 // 10) + 1:]


def read_tokens(path, tok, held_out):
    """A text file (or its last tenth) -> token ids, no bos."""
    with open(path, "rb") as f:
        data = f.read()
    data = held_out_part(data) if held_out else data
    return tok.encode(data.decode("utf-8"), add_special_tokens=False).ids


def window_losses(m, windows):
    """Windows of equal length (lists of ids) -> sum of -ln p over all their tokens."""
    targets = torch.tensor(windows)                                         # [B, T]
    ids = torch.cat([torch.full((len(windows), 1), m.bos), targets[:, :-1]], 1)
    logp = torch.log_softmax(forward(m, ids).double(), -1)
    return -logp.gather(-1, targets[..., None]).sum().item()


def loss(m, tokens):
    """The protocol above -> {"tokens", "nats_per_token"}."""
    windows = [tokens[i:i + WINDOW] for i in range(0, len(tokens), WINDOW)]
    full = [w for w in windows if len(w) == WINDOW]
    total = sum(window_losses(m, full[i:i + 16]) for i in range(0, len(full), 16))
    total += sum(window_losses(m, [w]) for w in windows[len(full):])
    return {"tokens": len(tokens), "nats_per_token": round(total / len(tokens), 6)}


def reference(m, tokens, count):
    """Teacher-forced logits f32 [count, V] for bos and the first count-1 tokens."""
    assert count <= m.context and count - 1 <= len(tokens)
    return forward(m, torch.tensor([[m.bos] + tokens[:count - 1]]))[0].numpy().astype(np.float32)


def sample(m, tok, prompt, length, temperature, seed):
    """The prompt continued by length tokens; temperature 0 is greedy."""
    gen = torch.Generator().manual_seed(seed)
    ids = [m.bos] + tok.encode(prompt, add_special_tokens=False).ids
    for _ in range(length):
        logits = forward(m, torch.tensor([ids[-m.context:]]))[0, -1]
        if temperature > 0:
            p = torch.softmax(logits / temperature, -1)
            ids.append(int(torch.multinomial(p, 1, generator=gen)))
        else:
            ids.append(int(logits.argmax()))
        if ids[-1] == m.eos:
            break
    return tok.decode(ids)


def write_losses(m, tok, args):
    """losses.json: both texts measured here, the n-gram number taken from --kneser-ney."""
    prose = os.path.join(args.model, "prose.txt")
    out = {"heldout": loss(m, read_tokens(args.text, tok, True)),
           "prose": loss(m, read_tokens(prose, tok, False)),
           "kneser_ney": {"tokens": 0, "nats_per_token": args.kneser_ney},
           "protocol": PROTOCOL}
    out["kneser_ney"]["tokens"] = out["heldout"]["tokens"]
    with open(args.losses, "w") as f:
        json.dump(out, f, indent=2)
        f.write("\n")
    print(json.dumps(out, indent=2))


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--model", default="..", help="folder of the checkpoint")
    ap.add_argument("--text", help="a text file")
    ap.add_argument("--held-out", action="store_true", help="only the last tenth of --text")
    ap.add_argument("--reference", help="write teacher-forced logits to this .npy")
    ap.add_argument("--tokens", type=int, default=256, help="rows of --reference")
    ap.add_argument("--sample", metavar="PROMPT", help="continue a prompt")
    ap.add_argument("--length", type=int, default=200)
    ap.add_argument("--temperature", type=float, default=0.0)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--losses", help="write losses.json; --text is tinyshakespeare.txt")
    ap.add_argument("--kneser-ney", type=float, help="what kneser_ney.py printed, for --losses")
    ap.add_argument("--threads", type=int, default=2)
    args = ap.parse_args()

    torch.set_num_threads(args.threads)
    m = Checkpoint(args.model)
    tok = Tokenizer.from_file(os.path.join(args.model, "tokenizer.json"))
    if args.sample is not None:
        print(sample(m, tok, args.sample, args.length, args.temperature, args.seed))
    elif args.losses:
        write_losses(m, tok, args)
    elif args.reference:
        tokens = read_tokens(args.text, tok, args.held_out)
        np.save(args.reference, reference(m, tokens, args.tokens))
    else:
        print(json.dumps(loss(m, read_tokens(args.text, tok, args.held_out))))


if __name__ == "__main__":
    main()
