#!/usr/bin/env python3
"""The miniature model: a complete network of two layers, drawn from a linear congruential generator.

    miniature.py DIR            writes config.json, tokenizer.json, model.safetensors and golden.json
    miniature.py --check DIR    runs test/ir/Inputs/miniature.sir on it and compares with the golden numbers

golden.json holds what independent implementations gave: int8 codes, logits after the fourth token, the greedy
continuation, and what three deliberate mistakes give instead.
"""
import json
import pathlib
import struct
import sys

import numpy as np

sys.dont_write_bytecode = True  # the tree stays as it is
HIDDEN, HEADS, KV_HEADS, HEAD, FFN, LAYERS, VOCAB = 8, 2, 1, 4, 12, 2, 16

GOLDEN = {
    "prompt": [3, 7, 1, 12],
    "tolerance": 5e-5,
    "codes": {  # position 0, layer 0
        "qkv": [99, -114, 10, 90, -96, -127, -90, -68],
        "o": [79, 111, 25, 22, 47, 127, 27, 25],
        "gate_up": [105, 42, -6, 97, -107, -127, 80, -2],
        "down": [127, -24, 55, 87, 13, -54, -1, 0, 27, 0, -20, 9],
    },
    "logits": [2.412820, -0.739466, -0.981756, -0.688684, -1.573532, 1.671643, -1.847623, 0.072186,
               -0.855857, -2.631570, -0.054751, -1.848914, -0.686736, -0.302137, -1.203638, -1.951183],
    "greedy": [0, 5, 5, 5, 0, 0],
    "mistakes": {
        "silu": {"logits": [2.3101, 0.1288, -0.4435], "greedy": [0, 5, 7, 10, 10, 0]},
        "adjacent": {"logits": [2.2990, -0.8687, -1.0002], "greedy": [0, 5, 0, 5, 2, 15]},
        "no_sub_norms": {"logits": [-2.5083, -0.5499, 1.6398], "greedy": [7, 7, 7, 15, 13, 13]},
    },
}


def draw(seed, n, m):
    x, out = seed, []
    for _ in range(n):
        x = (1103515245 * x + 12345) % (1 << 31)
        out.append((x >> 16) % m)
    return np.array(out)


def bf16(x):
    """Values exact in bf16, as their upper halves."""
    bits = np.asarray(x, dtype="<f4").view(np.uint32)
    assert (bits & 0xFFFF == 0).all()
    return ("BF16", list(np.shape(x)), (bits >> 16).astype("<u2").tobytes())


def gain(seed, n):
    return bf16(1 + (draw(seed, n, 9) - 4) / 16)


def packed(trits):
    """Row r in byte row r mod R, bit pair r div R, R = ceil(rows / 4); code = trit + 1."""
    rows, cols = trits.shape
    r = -(-rows // 4)
    out = np.zeros((r, cols), dtype=np.uint8)
    for i in range(rows):
        out[i % r] |= ((trits[i] + 1) << 2 * (i // r)).astype(np.uint8)
    return ("U8", [r, cols], out.tobytes())


def tensors():
    t = {"model.embed_tokens.weight": bf16((draw(100, VOCAB * HIDDEN, 33).reshape(VOCAB, HIDDEN) - 16) / 16),
         "model.norm.weight": gain(399, HIDDEN)}
    matrices = [("self_attn.q_proj", HEADS * HEAD, HIDDEN), ("self_attn.k_proj", KV_HEADS * HEAD, HIDDEN),
                ("self_attn.v_proj", KV_HEADS * HEAD, HIDDEN), ("self_attn.o_proj", HIDDEN, HEADS * HEAD),
                ("mlp.gate_proj", FFN, HIDDEN), ("mlp.up_proj", FFN, HIDDEN), ("mlp.down_proj", HIDDEN, FFN)]
    norms = [("input_layernorm", HIDDEN), ("self_attn.attn_sub_norm", HEADS * HEAD),
             ("post_attention_layernorm", HIDDEN), ("mlp.ffn_sub_norm", FFN)]
    for layer in range(LAYERS):
        at = f"model.layers.{layer}."
        for j, (name, n) in enumerate(norms):
            t[f"{at}{name}.weight"] = gain(300 + 10 * layer + j, n)
        for j, (name, rows, cols) in enumerate(matrices):
            t[f"{at}{name}.weight"] = packed(draw(200 + 10 * layer + j, rows * cols, 3).reshape(rows, cols) - 1)
            t[f"{at}{name}.weight_scale"] = bf16(np.array([0.25 + 0.0625 * j]))
    return t


def write_safetensors(path, t):
    header, at = {}, 0
    for name, (dtype, shape, data) in t.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(d for _, _, d in t.values()))


CONFIG = {
    "architectures": ["BitNetForCausalLM"], "model_type": "bitnet", "hidden_act": "relu2", "hidden_size": HIDDEN,
    "intermediate_size": FFN, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS, "vocab_size": VOCAB, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0, "tie_word_embeddings": True, "torch_dtype": "bfloat16", "bos_token_id": None,
    "eos_token_id": 15,
    "quantization_config": {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "offline"},
}


def tokenizer():
    """Sixteen tokens: 'a' to 'o' and one end token; no merges."""
    vocab = {chr(ord("a") + i): i for i in range(VOCAB - 1)}
    end = {"id": VOCAB - 1, "content": "<|end|>", "single_word": False, "lstrip": False, "rstrip": False,
           "normalized": False, "special": True}
    split = {"type": "Split", "pattern": {"Regex": "\\p{L}+|\\s+"}, "behavior": "Isolated", "invert": False}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [end], "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]},
        "post_processor": None, "decoder": dict(byte_level, use_regex=True),
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": vocab, "merges": []},
    }


def write(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in (("config", CONFIG), ("tokenizer", tokenizer()), ("golden", GOLDEN)):
        (folder / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n")
    write_safetensors(folder / "model.safetensors", tensors())


# ---- the golden numbers, from the second evaluator ----

def mistaken(text, which):
    """The program with one mistake in it."""
    if which == "silu":
        return text.replace("relu2 ", "silu ")
    if which == "adjacent":
        return text.replace("pairing = half", "pairing = adjacent")
    if which == "no_sub_norms":
        kept = [line for line in text.splitlines() if "rmsnorm %o.flat" not in line and "rmsnorm %m," not in line]
        return "\n".join(kept).replace("quant %o.n", "quant %o.flat").replace("quant %m.n", "quant %m")
    return text


def evaluate(text, folder, trace=None):
    """Logits after the prompt, and the greedy ids."""
    import checkpoint
    import evaluator
    import sir
    ev = evaluator.Evaluator(sir.read(text), checkpoint.Checkpoint(folder))
    ev.trace = trace
    rows = [evaluator.Row(t, 0, i, True) for i, t in enumerate(GOLDEN["prompt"])]
    first = last = ev.step(rows)["logits"][-1]
    ev.trace = None
    ids = []
    for i in range(len(GOLDEN["greedy"])):
        ids.append(int(np.argmax(last)))
        last = ev.step([evaluator.Row(ids[-1], 0, len(rows) + i, True)])["logits"][0]
    return first, ids


def check(folder):
    text = (pathlib.Path(__file__).parent.parent / "ir" / "Inputs" / "miniature.sir").read_text()
    codes = {}

    def trace(func, value, layer, x):
        if layer == 0 and value in ("a", "oq", "b", "mq"):
            codes[value] = x[0].tolist()

    logits, ids = evaluate(text, folder, trace)
    want = GOLDEN["codes"]
    assert [codes[v] for v in ("a", "oq", "b", "mq")] == [want[k] for k in ("qkv", "o", "gate_up", "down")], codes
    diff = np.abs(logits - np.array(GOLDEN["logits"])).max()
    assert diff <= GOLDEN["tolerance"], diff
    assert ids == GOLDEN["greedy"], ids
    print(f"codes equal, logits within {diff:.2g}, greedy ids equal")
    for name, want in GOLDEN["mistakes"].items():
        logits, ids = evaluate(mistaken(text, name), folder)
        diff = np.abs(logits[:3] - np.array(want["logits"])).max()
        assert ids == want["greedy"] and diff <= 1e-4, (name, ids, logits[:3])
        print(f"mistake {name}: its logits within {diff:.2g} and its ids")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--check"] and len(sys.argv) == 3:
        check(pathlib.Path(sys.argv[2]))
    elif len(sys.argv) == 2:
        write(pathlib.Path(sys.argv[1]))
    else:
        sys.exit(__doc__)
