"""Trains the bundled model: a BitNet b1.58 transformer on tinyshakespeare.txt.

Three steps, one file: a byte-level BPE tokenizer, the model itself (ternary
weights and int8 activations in the forward pass, straight-through gradients to
float masters), and the export as a packed Hugging Face checkpoint.

    python train.py --text tinyshakespeare.txt --out ..

Shapes in comments: B windows, T positions, N = B*T, D hidden, F intermediate,
H heads, G key/value heads, E head_dim, V vocabulary.
"""

import argparse
import csv
import json
import math
import os
import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import nn

BOS, EOS = "<|begin_of_text|>", "<|end_of_text|>"
LLAMA3_SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
                r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


@dataclass
class Config:
    """The shape of the model and of its training."""
    vocab: int = 1024
    hidden: int = 256
    ffn: int = 704
    layers: int = 4
    heads: int = 8
    kv_heads: int = 2
    context: int = 512
    theta: float = 10000.0
    eps: float = 1e-5
    dropout: float = 0.15
    window: int = 256           # training window; every eighth step uses a whole context
    batch_tokens: int = 4096
    bos_share: float = 0.8      # of windows that start with the bos token
    split_share: float = 0.5    # of windows with some tokens split, falls with the rate
    split: float = 0.1          # of the tokens in them are split
    steps: int = 1500
    warmup: int = 60
    decay: float = 0.4          # of the steps, at the end: the rate falls to nothing
    lr: float = 3e-3
    weight_decay: float = 0.1
    report: int = 100           # steps between rows of curve.csv
    seed: int = 1623

    @property
    def head_dim(self):
        return self.hidden // self.heads


# ---- text and tokenizer -------------------------------------------------------------


def split_text(data):
    """Bytes -> (training text, held-out text): 90 % of the bytes, cut after a newline."""
    cut = data.rfind(b"\n", 0, len(data) * 9 // 10) + 1
    return data[:cut].decode("utf-8"), data[cut:].decode("utf-8")


def train_tokenizer(text, vocab_size):
    """Byte-level BPE with the Llama-3 split; bytes are ids 0..255, the specials come last."""
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3_SPLIT), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size - 2, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tok.train_from_iterator([text], trainer)
    tok.add_special_tokens([BOS, EOS])
    tok.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B",
        special_tokens=[(BOS, tok.token_to_id(BOS))])
    assert tok.get_vocab_size() == vocab_size
    return tok


def halves(tok):
    """For each id the two ids it was merged from, [V, 2]; -1 for bytes and specials."""
    table = torch.full((tok.get_vocab_size(), 2), -1)
    for a, b in json.loads(tok.to_str())["model"]["merges"]:
        table[tok.token_to_id(a + b)] = torch.tensor([tok.token_to_id(a), tok.token_to_id(b)])
    return table


def split_tokens(tokens, table, p, gen):
    """Undoes a share p of the merges in a stream [n]; three rounds, so halves may split again.

    The text stays the same and the segmentation differs, which keeps a small text from
    being learnt by heart (a cousin of BPE-dropout, arXiv:1910.13267, that can be seeded).
    """
    for _ in range(3):
        cut = (torch.rand(len(tokens), generator=gen) < p) & (table[tokens, 0] >= 0)
        pairs = torch.stack([tokens, torch.full_like(tokens, -1)], 1)       # [n, 2]
        pairs[cut] = table[tokens[cut]]
        tokens = pairs[pairs >= 0]
    return tokens


# ---- quantisers ---------------------------------------------------------------------


def ternary(w):
    """Absmean: [out, in] -> T in {-1,0,1} (float) and alpha (a scalar)."""
    alpha = w.abs().mean()
    s = 1.0 / alpha.clamp(min=1e-5)
    return (w * s).round().clamp(-1, 1), alpha


def quantise(x):
    """Absmax per row: [N, in] -> integers in a float tensor, and their scale s [N, 1]."""
    s = 127.0 / x.abs().amax(-1, keepdim=True).clamp(min=1e-5)
    return (x * s).round().clamp(-128, 127), s


class TernaryProduct(torch.autograd.Function):
    """y = x~ W~^T for several W that read the same x; gradients pass both quantisers.

    Codes are at most 127 in magnitude, so bf16 holds them exactly and the products
    may run on bf16 matrix units; only the results and the gradients are rounded.
    """

    @staticmethod
    def forward(ctx, x, *ws):
        q, s = quantise(x)
        q = q.bfloat16()
        pairs = [ternary(w) for w in ws]
        t = torch.cat([p[0] for p in pairs]).bfloat16()                     # [out, in]
        a = torch.cat([p[1].expand(len(w)) for p, w in zip(pairs, ws)])     # [out]
        ctx.save_for_backward(q, s, t, a)
        ctx.rows = [len(w) for w in ws]
        return (q @ t.T).float() * (a / s)

    @staticmethod
    def backward(ctx, gy):
        q, s, t, a = ctx.saved_tensors
        gx = ((gy * a).bfloat16() @ t).float()
        gw = ((gy / s).bfloat16().T @ q).float()
        return (gx, *gw.split(ctx.rows))


# ---- model --------------------------------------------------------------------------


class Norm(nn.Module):
    """RMSNorm with a gain."""

    def __init__(self, n, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(n)), eps

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


class Linear(nn.Module):
    """Holds the float master [out, in] of a ternary matrix."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) * 0.02)


def rope_tables(cfg):
    """cos and sin [context, E], both halves alike (rotate-half pairing)."""
    inv = cfg.theta ** (-torch.arange(0, cfg.head_dim, 2).double() / cfg.head_dim)
    angle = torch.outer(torch.arange(cfg.context).double(), inv)
    angle = torch.cat([angle, angle], -1)
    return angle.cos().float(), angle.sin().float()


def rotate(x, cos, sin):
    """x [B, heads, T, E]: (x1, x2) -> (x1 c - x2 s, x2 c + x1 s)."""
    x1, x2 = x.chunk(2, -1)
    return x * cos + torch.cat([-x2, x1], -1) * sin


class Attention(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        kv = cfg.kv_heads * cfg.head_dim
        self.q_proj, self.k_proj = Linear(cfg.hidden, cfg.hidden), Linear(cfg.hidden, kv)
        self.v_proj, self.o_proj = Linear(cfg.hidden, kv), Linear(cfg.hidden, cfg.hidden)
        self.attn_sub_norm = Norm(cfg.hidden, cfg.eps)

    def forward(self, h, cos, sin):
        """h [B, T, D] -> [B, T, D]"""
        c = self.cfg
        b, t, d = h.shape
        y = TernaryProduct.apply(h.reshape(b * t, d), self.q_proj.weight, self.k_proj.weight,
                                 self.v_proj.weight)
        y = y.view(b, t, c.heads + 2 * c.kv_heads, c.head_dim).transpose(1, 2)
        q, k, v = y.split([c.heads, c.kv_heads, c.kv_heads], 1)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        group = c.heads // c.kv_heads
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        a = self.attn_sub_norm(a.transpose(1, 2).reshape(b * t, d))
        return TernaryProduct.apply(a, self.o_proj.weight).view(b, t, d)


class FeedForward(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.gate_proj, self.up_proj = Linear(cfg.hidden, cfg.ffn), Linear(cfg.hidden, cfg.ffn)
        self.down_proj = Linear(cfg.ffn, cfg.hidden)
        self.ffn_sub_norm = Norm(cfg.ffn, cfg.eps)

    def forward(self, h):
        """h [B, T, D] -> [B, T, D]"""
        b, t, d = h.shape
        y = TernaryProduct.apply(h.reshape(b * t, d), self.gate_proj.weight, self.up_proj.weight)
        gate, up = y.chunk(2, -1)
        f = self.ffn_sub_norm(F.relu(gate).square() * up)
        return TernaryProduct.apply(f, self.down_proj.weight).view(b, t, d)


def drop(x, noise, p):
    """Dropout by random bytes, noise [N, D] uint8: a share p (in 256ths) becomes 0.

    F.dropout draws a float an element, which took a third of a training step here.
    """
    if noise is None:
        return x
    level = round(p * 256)
    return x * (noise.view(x.shape) >= level) * (256 / (256 - level))


class Layer(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.input_layernorm = Norm(cfg.hidden, cfg.eps)
        self.self_attn = Attention(cfg)
        self.post_attention_layernorm = Norm(cfg.hidden, cfg.eps)
        self.mlp = FeedForward(cfg)
        self.dropout = cfg.dropout

    def forward(self, x, cos, sin, noise):
        """x [B, T, D], noise two rows of bytes (or None) -> [B, T, D]"""
        a = self.self_attn(self.input_layernorm(x), cos, sin)
        x = x + drop(a, noise[0], self.dropout)
        f = self.mlp(self.post_attention_layernorm(x))
        return x + drop(f, noise[1], self.dropout)


class Model(nn.Module):
    """Parameter names are those of the checkpoint, less the prefix 'model.'."""

    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        self.embed_tokens = nn.Embedding(cfg.vocab, cfg.hidden)
        nn.init.normal_(self.embed_tokens.weight, std=0.05)
        self.layers = nn.ModuleList(Layer(cfg) for _ in range(cfg.layers))
        self.norm = Norm(cfg.hidden, cfg.eps)
        cos, sin = rope_tables(cfg)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, ids, targets, noise=None):
        """ids, targets [B, T] -> loss of each position [N]; targets < 0 count as 0.

        noise [2 * layers + 2, N, D] are the random bytes of dropout, None for none.
        """
        t = ids.shape[1]
        cos, sin = self.cos[:t], self.sin[:t]
        if noise is None:
            noise = [None] * (2 * len(self.layers) + 2)
        x = drop(self.embed_tokens(ids), noise[-2], self.cfg.dropout)
        for i, layer in enumerate(self.layers):
            x = layer(x, cos, sin, noise[2 * i:2 * i + 2])
        x = drop(self.norm(x).flatten(0, 1), noise[-1], self.cfg.dropout)
        logits = (x.bfloat16() @ self.embed_tokens.weight.bfloat16().T).float()
        return F.cross_entropy(logits, targets.flatten(), ignore_index=-1, reduction="none")


# ---- training -----------------------------------------------------------------------


def draw_windows(tokens, count, t, gen):
    """count random windows [count, t+1] of a stream."""
    start = torch.randint(0, len(tokens) - t, (count, 1), generator=gen)
    return tokens[start + torch.arange(t + 1)]


def draw_batch(clean, split, split_share, cfg, bos, step, gen):
    """Windows of two streams, a share of them behind a bos: ids and targets [B, T]."""
    t = cfg.context if step % 8 == 7 else cfg.window
    b = cfg.batch_tokens // t
    n = round(b * split_share)
    text = torch.cat([draw_windows(clean, b - n, t, gen), draw_windows(split, n, t, gen)])
    ids, targets = text[:, :-1].clone(), text[:, 1:].clone()
    with_bos = torch.rand(b, generator=gen) < cfg.bos_share
    ids[with_bos] = torch.cat([torch.full((b, 1), bos), text[:, :-2]], 1)[with_bos]
    targets[with_bos] = text[with_bos, :-1]
    return ids, targets


def draw_noise(cfg, gen):
    """Random bytes for one step's dropout: [2 * layers + 2, N, D] uint8."""
    shape = (2 * cfg.layers + 2, cfg.batch_tokens, cfg.hidden // 8)
    return torch.empty(shape, dtype=torch.int64).random_(-2**63, None, generator=gen).view(torch.uint8)


def windows(tokens, bos, t):
    """The measuring protocol: consecutive windows of t tokens, a bos in front of each.

    Returns ids and targets [n, t]; the last window is filled up with bos / -1.
    """
    n = -(-len(tokens) // t)
    targets = torch.full((n * t,), -1)
    targets[:len(tokens)] = tokens
    targets = targets.view(n, t)
    ids = torch.cat([torch.full((n, 1), bos), targets[:, :-1]], 1)
    return ids.where(ids >= 0, bos), targets


@torch.no_grad()
def held_out_loss(model, tokens, bos, window):
    """Nats a token over all of tokens; windows are processed 32 at a time."""
    ids, targets = windows(tokens, bos, window)
    total = sum(model(i, t).sum().item() for i, t in zip(ids.split(32), targets.split(32)))
    return total / len(tokens)


def rate(step, cfg):
    """Share of the full learning rate: linear warmup, constant, linear decay to nothing."""
    left = (cfg.steps - step) / (cfg.decay * cfg.steps)
    return min(1.0, (step + 1) / cfg.warmup, left)


def make_optimizers(model, cfg):
    """Muon for the masters of the ternary matrices, AdamW for the embedding and the gains."""
    masters = [m.weight for m in model.modules() if isinstance(m, Linear)]
    gains = [m.weight for m in model.modules() if isinstance(m, Norm)]
    groups = [{"params": [model.embed_tokens.weight], "weight_decay": cfg.weight_decay},
              {"params": gains, "weight_decay": 0.0}]
    return [torch.optim.Muon(masters, lr=cfg.lr, weight_decay=cfg.weight_decay,
                             adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(groups, lr=cfg.lr, betas=(0.9, 0.95), fused=True)]


def train_step(model, run, opts, batch, noise):
    """One step of both optimizers -> the training loss."""
    loss = run(*batch, noise).mean()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for opt in opts:
        opt.step()
        opt.zero_grad(set_to_none=True)
    return loss.item()


def train(model, run, clean, held, table, bos, cfg, curve_path):
    """Runs the schedule and writes curve.csv: step, train loss since the last row, held-out."""
    gen = torch.Generator().manual_seed(cfg.seed)
    opts = make_optimizers(model, cfg)
    began, recent = time.time(), []
    with open(curve_path, "w", newline="") as f:
        rows = csv.writer(f, lineterminator="\n")
        rows.writerow(["step", "train_loss", "heldout_loss"])
        for step in range(cfg.steps):
            r = rate(step, cfg)
            for group in (g for opt in opts for g in opt.param_groups):
                group["lr"] = cfg.lr * r
            if step % 16 == 0:
                split = split_tokens(clean, table, cfg.split, gen)
            batch = draw_batch(clean, split, cfg.split_share * r, cfg, bos, step, gen)
            recent.append(train_step(model, run, opts, batch, draw_noise(cfg, gen)))
            if (step + 1) % cfg.report == 0 or step + 1 == cfg.steps:
                held_loss, mean = held_out_loss(model, held, bos, cfg.window), sum(recent) / len(recent)
                rows.writerow([step + 1, f"{mean:.4f}", f"{held_loss:.4f}"])
                f.flush()
                print(f"step {step + 1} train {mean:.4f} held-out {held_loss:.4f} "
                      f"{time.time() - began:.0f} s", flush=True)
                recent = []


# ---- export -------------------------------------------------------------------------


def pack(t):
    """T [out, in] -> uint8 [out/4, in]: row r in stored row r mod R, bits 2*(r div R)."""
    assert t.shape[0] % 4 == 0
    chunks = (t + 1).to(torch.uint8).chunk(4)
    return chunks[0] | chunks[1] << 2 | chunks[2] << 4 | chunks[3] << 6


def checkpoint(model):
    """Name -> tensor of the packed checkpoint: ternary codes, bf16 for all the rest."""
    out = {}
    for name, p in model.named_parameters():
        p = p.detach()
        if "_proj." in name:
            alpha = p.abs().double().mean().float()
            t = (p * (1.0 / alpha.clamp(min=1e-5))).round().clamp(-1, 1)
            out[f"model.{name}"] = pack(t).contiguous()
            out[f"model.{name}_scale"] = alpha.bfloat16().reshape(1)
        else:
            out[f"model.{name}"] = p.bfloat16().contiguous()
    return out


def write_json(path, value):
    with open(path, "w") as f:
        json.dump(value, f, indent=2)
        f.write("\n")


def export(model, tok, cfg, out):
    """Writes model.safetensors, tokenizer.json and the three small JSON files."""
    path = os.path.join(out, "model.safetensors")
    save_file(checkpoint(model), path, {"format": "pt"})
    os.chmod(path, 0o644)
    tok.save(os.path.join(out, "tokenizer.json"), pretty=False)
    bos, eos = tok.token_to_id(BOS), tok.token_to_id(EOS)
    write_json(os.path.join(out, "config.json"), {
        "architectures": ["BitNetForCausalLM"], "model_type": "bitnet",
        "vocab_size": cfg.vocab, "hidden_size": cfg.hidden, "intermediate_size": cfg.ffn,
        "num_hidden_layers": cfg.layers, "num_attention_heads": cfg.heads,
        "num_key_value_heads": cfg.kv_heads, "hidden_act": "relu2",
        "max_position_embeddings": cfg.context, "rms_norm_eps": cfg.eps,
        "rope_theta": cfg.theta, "attention_bias": False, "attention_dropout": 0.0,
        "tie_word_embeddings": True, "bos_token_id": bos, "eos_token_id": eos,
        "initializer_range": 0.02, "use_cache": True, "torch_dtype": "bfloat16",
        "quantization_config": {"quant_method": "bitnet", "linear_class": "autobitlinear",
                                "quantization_mode": "offline"}})
    write_json(os.path.join(out, "tokenizer_config.json"), {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": BOS, "eos_token": EOS,
        "add_bos_token": True, "add_eos_token": False, "clean_up_tokenization_spaces": False,
        "model_max_length": cfg.context})
    write_json(os.path.join(out, "generation_config.json"), {
        "bos_token_id": bos, "eos_token_id": eos, "do_sample": True, "temperature": 0.8})


def parse_args():
    """Command line; every field of Config is an option."""
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--text", required=True, help="tinyshakespeare.txt")
    ap.add_argument("--out", default="..", help="folder of the checkpoint")
    ap.add_argument("--curve", default="curve.csv")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--compile", action="store_true", help="use torch.compile (needs a C++ compiler)")
    for name, field in Config.__dataclass_fields__.items():
        ap.add_argument(f"--{name.replace('_', '-')}", type=field.type, default=field.default)
    args = ap.parse_args()
    return args, Config(**{n: getattr(args, n) for n in Config.__dataclass_fields__})


def main():
    args, cfg = parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(cfg.seed)
    os.makedirs(args.out, exist_ok=True)
    with open(args.text, "rb") as f:
        train_text, held_text = split_text(f.read())
    tok = train_tokenizer(train_text, cfg.vocab)
    bos = tok.token_to_id(BOS)
    train_ids = torch.tensor(tok.encode(train_text, add_special_tokens=False).ids)
    held_ids = torch.tensor(tok.encode(held_text, add_special_tokens=False).ids)
    model = Model(cfg)
    n = sum(p.numel() for m in model.modules() if isinstance(m, Linear) for p in m.parameters())
    print(f"{len(train_ids)} + {len(held_ids)} tokens, {n} ternary weights", flush=True)
    run = torch.compile(model, dynamic=False) if args.compile else model
    began = time.time()
    train(model, run, train_ids, held_ids, halves(tok), bos, cfg, args.curve)
    print(f"trained in {time.time() - began:.0f} s")
    export(model, tok, cfg, args.out)


if __name__ == "__main__":
    main()
