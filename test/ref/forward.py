#!/usr/bin/env python3
"""An ordinary numpy forward pass of a packed BitNet checkpoint, and how far an executable's logits are from it.

    forward.py DIR --tokens FILE [--logits EXE.logits]

Written as one would write the model in numpy: float32 with numpy's own summation order, library sin, cos and exp.
So it differs from the contract in rounding only, and the comparison has margins: teacher-forced, the largest difference of
a logit at most 1e-2 of the largest logit, the median at most 1e-3 of it, and the same best token wherever its lead
is more than twice the difference.
"""
import argparse
import json
import pathlib
import sys

import numpy as np

sys.dont_write_bytecode = True
from checkpoint import Checkpoint

F32 = np.float32


def rmsnorm(x, gain, eps):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + F32(eps)) * gain


def linear(x, trits, alpha):
    """x [T, K] quantised a row to int8, times trits [N, K]."""
    scale = F32(127) / np.maximum(np.abs(x).max(axis=-1, keepdims=True), F32(1e-5))
    codes = np.clip(np.rint(x * scale), -127, 127)
    return (codes @ trits.T.astype(F32)) / scale * alpha


def rope(x, theta):
    """x [T, heads, d]: pairs (i, i + d/2) of the row at position t turned by t * theta^(-2i/d)."""
    count, _, d = x.shape
    angle = np.arange(count)[:, None] * theta ** (-2.0 * np.arange(d // 2) / d)
    cos, sin = np.cos(angle).astype(F32)[:, None], np.sin(angle).astype(F32)[:, None]
    a, b = x[..., : d // 2], x[..., d // 2 :]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)


def attention(q, k, v):
    """q [T, H, d], k and v [T, G, d], each G serving H/G heads; causal."""
    count, heads, d = q.shape
    k, v = (np.repeat(t.astype(np.float16).astype(F32), heads // k.shape[1], axis=1) for t in (k, v))
    scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(F32(d))
    scores = np.where(np.tril(np.ones((count, count), bool)), scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.einsum("hqk,khd->qhd", weights, v).astype(F32)


class Model:
    def __init__(self, folder):
        self.config = json.loads((pathlib.Path(folder) / "config.json").read_text(encoding="utf-8"))
        self.tensors = Checkpoint(folder)

    def ternary(self, name, rows):
        packed, scale = self.tensors.tensors[name + ".weight"], self.tensors.widened(name + ".weight_scale")
        trits = np.concatenate([(packed >> shift & 3).astype(np.int8) - 1 for shift in (0, 2, 4, 6)])[:rows]
        return trits, F32(scale.reshape(-1)[0])

    def layer(self, x, i):
        c, at = self.config, f"model.layers.{i}."
        heads, groups, eps = c["num_attention_heads"], c["num_key_value_heads"], c["rms_norm_eps"]
        d, count, theta = c["hidden_size"] // heads, len(x), c["rope_theta"]
        gain = lambda name: self.tensors.widened(at + name + ".weight")  # noqa: E731
        n = rmsnorm(x, gain("input_layernorm"), eps)
        q, k, v = (linear(n, *self.ternary(at + f"self_attn.{p}_proj", h * d)).reshape(count, h, d)
                   for p, h in (("q", heads), ("k", groups), ("v", groups)))
        o = attention(rope(q, theta), rope(k, theta), v).reshape(count, -1)
        x = x + linear(rmsnorm(o, gain("self_attn.attn_sub_norm"), eps), *self.ternary(at + "self_attn.o_proj", c["hidden_size"]))
        n = rmsnorm(x, gain("post_attention_layernorm"), eps)
        gate, up = (linear(n, *self.ternary(at + f"mlp.{p}_proj", c["intermediate_size"])) for p in ("gate", "up"))
        m = np.maximum(gate, 0) ** 2 * up
        return x + linear(rmsnorm(m, gain("mlp.ffn_sub_norm"), eps), *self.ternary(at + "mlp.down_proj", c["hidden_size"]))

    def logits(self, tokens):
        table = self.tensors.widened("model.embed_tokens.weight")
        x = table[tokens]
        for i in range(self.config["num_hidden_layers"]):
            x = self.layer(x, i)
        return rmsnorm(x, self.tensors.widened("model.norm.weight"), self.config["rms_norm_eps"]) @ table.T


def compare(ours, theirs):
    """theirs: the executable's.  Prints the figures; True if all margins hold."""
    difference, largest = np.abs(ours - theirs), np.abs(ours).max()
    top = np.sort(ours, axis=-1)
    lead = top[:, -1] - top[:, -2]
    clear = lead > 2 * difference.max(axis=-1)
    same = ours.argmax(axis=-1) == theirs.argmax(axis=-1)
    worst, median = difference.max() / largest, np.median(difference) / largest
    print(f"positions {len(ours)}  largest logit {largest:.3f}  largest difference {worst:.2e} of it  median {median:.2e}")
    print(f"clear leads {clear.sum()}, of these another best token at {(clear & ~same).sum()}; all: {(~same).sum()}")
    return worst <= 1e-2 and median <= 1e-3 and not (clear & ~same).any()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--tokens", required=True, help="file of token ids, commas between")
    parser.add_argument("--logits", required=True, help="the executable's --logits file for the same tokens")
    args = parser.parse_args()
    tokens = [int(t) for t in pathlib.Path(args.tokens).read_text(encoding="ascii").replace(",", " ").split()]
    ours = Model(args.folder).logits(np.array(tokens)).astype(F32)
    theirs = np.fromfile(args.logits, "<f4").reshape(-1, ours.shape[1])[: len(tokens)]
    if len(theirs) != len(tokens) or not compare(ours, theirs):
        sys.exit(1)


if __name__ == "__main__":
    main()
