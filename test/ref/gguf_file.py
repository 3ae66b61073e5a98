"""Weights for the evaluator from a GGUF file: a reader of its own, for blocks of real and of ternary values."""
import struct

import numpy as np

import blocks

F32 = np.float32
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # of metadata values
REAL = {8: "q8_0", 14: "q6_k", 2: "q4_0", 12: "q4_k"}

# Class in the IR -> tensor in the file.  {} is the layer.
NAMES = {"embed": "token_embd.weight", "output": "output.weight", "g_out": "output_norm.weight"}
for here, there in (("g_in", "attn_norm"), ("g_attn", "attn_sub_norm"), ("g_ffn", "ffn_norm"), ("g_sub", "ffn_sub_norm"),
                    ("wq", "attn_q"), ("wk", "attn_k"), ("wv", "attn_v"), ("wo", "attn_output"), ("gate", "ffn_gate"),
                    ("up", "ffn_up"), ("down", "ffn_down")):
    NAMES["body." + here] = "blk.{}." + there + ".weight"


def fields(b):
    """Two bits each: [..., n] bytes to [..., 4, n], low bits first."""
    return np.stack([b >> s & 3 for s in (0, 2, 4, 6)], axis=-2)


def tq2_0(raw):
    codes = fields(raw[:, :64].reshape(-1, 2, 32)).reshape(-1, 256)
    return codes, blocks.half(raw, 64)


def q2_0(raw):
    codes = fields(raw[:, 2:]).transpose(0, 2, 1).reshape(len(raw), -1)
    return codes, blocks.half(raw, 0)


class File:
    def __init__(self, path):
        with open(path, "rb") as f:
            self.b = f.read()
        self.at = 4
        _, n_tensors, n_keys = self.take("<IQQ")
        for _ in range(n_keys):
            self.text()
            self.skip(self.take("<I")[0])
        self.tensors = {}
        for _ in range(n_tensors):
            name = self.text()
            dims = self.take(f"<{self.take('<I')[0]}Q")
            kind, offset = self.take("<IQ")
            self.tensors[name] = (dims[::-1], kind, offset)
        self.data = -(-self.at // 32) * 32
        self.ends = sorted(t[2] for t in self.tensors.values()) + [len(self.b) - self.data]

    def take(self, form):
        v = struct.unpack_from(form, self.b, self.at)
        self.at += struct.calcsize(form)
        return v

    def text(self):
        n = self.take("<Q")[0]
        self.at += n
        return self.b[self.at - n:self.at].decode()

    def skip(self, kind):
        if kind == 8:
            self.text()
        elif kind == 9:
            of, n = self.take("<IQ")
            for _ in range(n):
                self.skip(of)
        else:
            self.at += SIZES[kind]

    def raw(self, w, layer):
        dims, kind, offset = self.tensors[NAMES[w.name].format(layer)]
        end = min(e for e in self.ends if e > offset)
        return kind, np.frombuffer(self.b[self.data + offset:self.data + end], np.uint8), int(np.prod(dims))

    def ternary(self, w, layer):
        """Trits [rows, cols], scales [rows, blocks]."""
        kind, b, n = self.raw(w, layer)
        # tensors are padded to 32 bytes, and Q2_0 has blocks of 64 or of 128: the tensor's size tells
        size, elems = (66, 256) if kind == 35 else (18, 64) if len(b) - n // 64 * 18 in range(32) else (34, 128)
        codes, scales = (tq2_0 if kind == 35 else q2_0)(b[:n // elems * size].reshape(-1, size))
        cols = w.dims[-1]
        return codes.reshape(-1, cols).astype(np.int64) - 1, scales.reshape(-1, cols // elems)

    def trits(self, w, layer):
        return self.ternary(w, layer)[0]

    def scales(self, w, layer):
        s = self.ternary(w, layer)[1]
        if w.scale == "group":
            return s[:, ::w.group * s.shape[1] // w.dims[-1]].reshape(-1)
        return s[:, 0] if w.scale == "row" else s[:1, 0]

    def real(self, w, layer):
        kind, b, n = self.raw(w, layer)
        if kind == 0:
            return b[:4 * n].view("<f4").reshape(w.dims)
        elems, size, _ = blocks.FORMATS[REAL[kind]]
        return blocks.decode(REAL[kind], b[:n // elems * size].reshape(-1, size)).reshape(w.dims)
