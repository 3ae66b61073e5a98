"""A checkpoint of Hugging Face's kind as a GGUF file, written by the package gguf.

    to_gguf.py FOLDER OUT.gguf FORMAT [--arch NAME] [--real F32|F16|Q8_0|Q6_K...] [--split N] [--drop-padding]

FORMAT is how ternary matrices are written: TQ1_0 and TQ2_0 by the package's own quantiser; I2_S, i2_s:arm and i2_s:rows
by numpy from the drawings of docs/formats.md; F16 and F32 as trits times their scale, dense; mixed: each layer another.
Scales are those that f16 holds: the test makes them so before it writes either file.
"""
import argparse
import json
import os
import struct

import gguf
import numpy as np

NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
LAYER = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.attn_sub_norm": "attn_sub_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "mlp.ffn_sub_norm": "ffn_sub_norm",
}


def read_safetensors(path):
    with open(path, "rb") as f:
        n = struct.unpack("<Q", f.read(8))[0]
        header = json.loads(f.read(n))
        data = f.read()
    types = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16, "U8": np.uint8}
    out = {}
    for name, e in header.items():
        if name == "__metadata__":
            continue
        a = np.frombuffer(data[e["data_offsets"][0] : e["data_offsets"][1]], types[e["dtype"]]).reshape(e["shape"])
        if e["dtype"] == "BF16":
            a = (a.astype(np.uint32) << 16).view(np.float32)
        out[name] = a
    return out


def new_name(name):
    if name in NAMES:
        return NAMES[name]
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{LAYER[rest.rsplit('.', 1)[0]]}.weight"


def unpack(p, rows):
    stored = p.shape[0]
    return np.concatenate([(p >> (2 * j) & 3).astype(np.int8) - 1 for j in range(4)])[: rows if rows else 4 * stored]


def i2_s(trits, scale, order):
    code = (trits + 1).astype(np.uint8)
    if order == "rows":
        c = code.reshape(code.shape[0] // 4, 4, code.shape[1])
        packed = c[:, 0] << 6 | c[:, 1] << 4 | c[:, 2] << 2 | c[:, 3]
    else:
        c = code.reshape(-1, 4, 32 if order == "x86" else 16)
        packed = c[:, 0] << 6 | c[:, 1] << 4 | c[:, 2] << 2 | c[:, 3]
    return packed.tobytes() + struct.pack("<f", scale) + bytes(28)


class Raw:
    """A type that the package does not know: what its writer asks of one."""

    def __init__(self, number):
        self.number = number

    def __index__(self):
        return self.number


def add_ternary(w, name, trits, scale, form):
    if form.lower().startswith("i2_s"):
        order = form.split(":")[1] if ":" in form else "x86"
        data = i2_s(trits, scale, order)
        w.add_tensor_info(name, trits.shape, np.dtype(np.float16), len(data), raw_dtype=Raw(36))
        return data
    dense = trits.astype(np.float32) * np.float32(scale)
    if form in ("F32", "F16"):
        dense = dense.astype(np.float16) if form == "F16" else dense
        w.add_tensor_info(name, dense.shape, dense.dtype, dense.nbytes)
        return dense.tobytes()
    kind = gguf.GGMLQuantizationType[form]
    q = gguf.quants.quantize(dense, kind)
    w.add_tensor_info(name, q.shape, q.dtype, q.nbytes, raw_dtype=kind)
    return q.tobytes()


def add_real(w, name, a, form):
    if a.ndim == 1 or form == "F32":
        a = a.astype(np.float32)
        w.add_tensor_info(name, a.shape, a.dtype, a.nbytes)
        return a.tobytes()
    if form == "F16":
        a = a.astype(np.float16)
        w.add_tensor_info(name, a.shape, a.dtype, a.nbytes)
        return a.tobytes()
    kind = gguf.GGMLQuantizationType[form]
    q = gguf.quants.quantize(a.astype(np.float32), kind)
    w.add_tensor_info(name, q.shape, q.dtype, q.nbytes, raw_dtype=kind)
    return q.tobytes()


def add_config(w, arch, c):
    w.add_file_type(40)
    w.add_vocab_size(c["vocab_size"])
    w.add_context_length(c["max_position_embeddings"])
    w.add_embedding_length(c["hidden_size"])
    w.add_block_count(c["num_hidden_layers"])
    w.add_feed_forward_length(c["intermediate_size"])
    w.add_rope_dimension_count(c.get("head_dim", c["hidden_size"] // c["num_attention_heads"]))
    w.add_head_count(c["num_attention_heads"])
    w.add_head_count_kv(c["num_key_value_heads"])
    w.add_layer_norm_rms_eps(c["rms_norm_eps"])
    w.add_rope_freq_base(c["rope_theta"])
    w.add_bos_token_id(c.get("bos_token_id", 0))
    w.add_eos_token_id(c.get("eos_token_id", 0) if not isinstance(c.get("eos_token_id"), list) else c["eos_token_id"][0])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("folder")
    p.add_argument("out")
    p.add_argument("format")
    p.add_argument("--arch", default="bitnet-b1.58")
    p.add_argument("--real", default="F32")
    p.add_argument("--split", type=int, default=0)
    p.add_argument("--drop-padding", action="store_true")
    a = p.parse_args()
    with open(os.path.join(a.folder, "config.json"), encoding="utf-8") as f:
        config = json.load(f)
    multiply = config["quantization_config"]["linear_class"] == "autobitlinear"
    tensors = read_safetensors(os.path.join(a.folder, "model.safetensors"))
    w = gguf.GGUFWriter(a.out, a.arch, split_max_tensors=a.split)
    add_config(w, a.arch, config)
    turns = ["TQ1_0", "TQ2_0", "I2_S", "F16", "F32"]
    for name, t in tensors.items():
        if name.endswith("_scale"):
            continue
        if t.dtype != np.uint8:
            add = lambda n=name, t=t: add_real(w, new_name(n), t, a.real)
        else:
            s = float(tensors[name + "_scale"].reshape(-1)[0])
            scale = s if multiply else float(np.float32(1) / np.float32(s))
            form = turns[int(name.split(".")[2]) % len(turns)] if a.format == "mixed" else a.format
            add = lambda n=name, t=t, scale=scale, form=form: add_ternary(w, new_name(n), unpack(t, 0), scale, form)
        data = add()
        w.tensors[-1][new_name(name)].tensor = np.frombuffer(data, np.uint8)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    if a.drop_padding:
        last = list(w.tensors[-1].values())[-1].nbytes
        with open(a.out, "r+b") as f:
            f.truncate(os.path.getsize(a.out) - (-last % 32))


main()
