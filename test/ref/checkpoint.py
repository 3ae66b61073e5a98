"""Weights for the evaluator: a checkpoint directory in the packed safetensors layout, or numbers from a seed."""
import json
import pathlib
import struct

import numpy as np

import blocks
import contract

DTYPES = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16, "U8": np.uint8}

# Class in the IR -> tensor in the file, unless --names says otherwise.  {} is the layer.
NAMES = {
    "embed": "model.embed_tokens.weight",
    "head": "lm_head.weight",
    "g_out": "model.norm.weight",
    "body.g_in": "model.layers.{}.input_layernorm.weight",
    "body.g_attn": "model.layers.{}.self_attn.attn_sub_norm.weight",
    "body.g_ffn": "model.layers.{}.post_attention_layernorm.weight",
    "body.g_sub": "model.layers.{}.mlp.ffn_sub_norm.weight",
    "body.wq": "model.layers.{}.self_attn.q_proj",
    "body.wk": "model.layers.{}.self_attn.k_proj",
    "body.wv": "model.layers.{}.self_attn.v_proj",
    "body.wo": "model.layers.{}.self_attn.o_proj",
    "body.gate": "model.layers.{}.mlp.gate_proj",
    "body.up": "model.layers.{}.mlp.up_proj",
    "body.down": "model.layers.{}.mlp.down_proj",
}


class Checkpoint:
    def __init__(self, folder, names=None):
        folder = pathlib.Path(folder)
        self.names = names or NAMES
        config = json.loads((folder / "config.json").read_text())
        quantization = config.get("quantization_config") or {}
        self.multiplies = quantization.get("linear_class", "bitlinear") == "autobitlinear"
        self.tensors = {}
        for path in sorted(folder.glob("*.safetensors")):
            raw = path.read_bytes()
            (n,) = struct.unpack("<Q", raw[:8])
            for name, info in json.loads(raw[8:8 + n]).items():
                if name != "__metadata__":
                    begin, end = info["data_offsets"]
                    data = raw[8 + n + begin:8 + n + end]
                    self.tensors[name] = np.frombuffer(data, DTYPES[info["dtype"]]).reshape(info["shape"])

    def widened(self, name):
        t = self.tensors[name]
        if t.dtype == np.uint16:
            return (t.astype(np.uint32) << 16).view(np.float32)
        return t.astype(np.float32)

    def name(self, w, layer):
        return self.names[w.name].format(layer)

    def real(self, w, layer):
        return self.widened(self.name(w, layer)).reshape(w.dims)

    def trits(self, w, layer):
        """Four row chunks in the bit pairs of each byte; code = trit + 1."""
        packed = self.tensors[self.name(w, layer) + ".weight"]
        rows = int(np.prod(w.dims[:-1]))
        chunks = [(packed >> 2 * c) & 3 for c in range(4)]
        return np.concatenate(chunks)[:rows].astype(np.int64) - 1

    def scales(self, w, layer):
        s = self.widened(self.name(w, layer) + ".weight_scale").reshape(-1)
        return s if self.multiplies else np.float32(1) / s


def mix(z):
    """On arrays of uint64, modulo 2^64."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


class Seed:
    """The generator that ir/weights.h describes."""

    def __init__(self, seed):
        self.seed = np.array([seed], dtype=np.uint64)

    def base(self, w, layer):
        h = 0xCBF29CE484222325
        for b in w.name.encode():
            h = (h ^ b) * 0x100000001B3 % (1 << 64)
        return mix(self.seed ^ mix(np.array([(h + layer) % (1 << 64)], dtype=np.uint64)))

    def words(self, base, n):
        return mix(base + np.uint64(0x9E3779B97F4A7C15) * np.arange(1, n + 1, dtype=np.uint64))

    def trits(self, w, layer):
        z = self.words(self.base(w, layer), int(np.prod(w.dims)))
        t = (((z >> np.uint64(32)) * np.uint64(3)) >> np.uint64(32)).astype(np.int64) - 1
        return t.reshape(-1, w.dims[-1])

    def scales(self, w, layer):
        n = 1 if w.scale == "matrix" else int(np.prod(w.dims[:-1])) * (w.dims[-1] // (w.group or w.dims[-1]))
        b = 0
        while 4 ** b < w.dims[-1]:
            b += 1
        u = (self.words(mix(self.base(w, layer)), n) >> np.uint64(59)).astype(np.float32)
        return (contract.ONE + u / np.float32(32)) * np.float32(2.0 ** -b)

    def real(self, w, layer):
        if w.store in blocks.FORMATS:
            return self.blocks(w, layer)
        z = self.words(self.base(w, layer), int(np.prod(w.dims)))
        if len(w.dims) == 1:
            x = np.float32(0.875) + (z >> np.uint64(60)).astype(np.float32) / np.float32(64)
        else:
            x = ((z >> np.uint64(56)).astype(np.float32) - np.float32(128)) / np.float32(128)
        return x.reshape(w.dims)

    def blocks(self, w, layer):
        elems, size, _ = blocks.FORMATS[w.store]
        n = int(np.prod(w.dims)) // elems
        raw = (self.words(self.base(w, layer), n * size) >> np.uint64(56)).astype(np.uint8).reshape(n, size)
        for at, exponent in {"q8_0": [(0, 7)], "q6_k": [(208, 3)], "q4_0": [(0, 12)], "q4_k": [(0, 4), (2, 8)]}[w.store]:
            raw[:, at + 1] = raw[:, at + 1] & 0x83 | exponent << 2
        return blocks.decode(w.store, raw).reshape(w.dims)
