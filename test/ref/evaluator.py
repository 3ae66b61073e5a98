#!/usr/bin/env python3
"""The second evaluator: runs textual IR by docs/numerics.md, sharing no code with the compiler.

    evaluator.py PROG.sir (--weights DIR|FILE.gguf | --seed N) --tokens 3,7,1,12 [--logits OUT.bin] [--greedy N]
                 [--bits] [--chunk N] [--names FILE] [--emit NAME]

--logits writes those of every token, f32 little-endian, a row a token; --bits prints them as `setun-opt --interp`
does, so that the two can be compared by cmp.  Needs numpy and nothing else.
"""
import argparse
import pathlib
import sys

import numpy as np

sys.dont_write_bytecode = True  # the tree stays as it is
import checkpoint
import contract
import gguf_file
import sir

F32 = np.float32
ELTWISE = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
    "neg": lambda a: -a, "relu": contract.relu, "relu2": contract.relu2, "exp": contract.exp,
    "sigmoid": contract.sigmoid, "silu": contract.silu, "tanh": contract.tanh, "gelu": contract.gelu,
}


class Row:
    def __init__(self, token, slot, pos, live):
        self.token, self.slot, self.pos, self.live = token, slot, pos, live


class Evaluator:
    def __init__(self, module, weights, slots=1, positions=None):
        self.m, self.weights = module, weights
        self.positions = positions or module.numbers["context"]
        self.slots = slots
        self.held, self.caches, self.emitted = {}, {}, {}
        self.trace = None  # called with (function, value, layer, array) at the top level

    # ---- weights and states ----

    def weight(self, op, layer, part):
        w = self.m.weights[op.refs[0]]
        key = (w.name, layer if w.layers else 0, part)
        if key not in self.held:
            self.held[key] = getattr(self.weights, part)(w, key[1])
        return self.held[key]

    def cache(self, ref, layer):
        s = self.m.states[ref]
        key = (ref, layer if s.layers else 0)
        if key not in self.caches:
            self.caches[key] = np.zeros([self.slots, self.positions] + s.dims, dtype=F32)
        return key

    # ---- ops: env maps names to arrays [rows, ...], to lists of rows, or to cache keys ----

    def op(self, f, op, env, layer):
        ins = [env[n] for n in op.ins]
        c, a = op.code, op.attrs
        if c in ELTWISE:
            return [ELTWISE[c](*ins)]
        if c == "addc":
            return [ins[0] + contract.f32(a["c"])]
        if c == "mulc":
            return [ins[0] * contract.f32(a["c"])]
        return getattr(self, "op_" + c)(op, ins, env, layer)

    def op_embed(self, op, ins, env, layer):
        return [self.weight(op, layer, "real")[[r.token for r in ins[0]]]]

    def op_live(self, op, ins, env, layer):
        keep = [i for i, r in enumerate(env["rows"]) if r.live]
        return [[ins[0][i] for i in keep] if isinstance(ins[0], list) else ins[0][keep]]

    def op_reshape(self, op, ins, env, layer):
        return [ins[0].reshape([len(ins[0])] + op.types[0][2])]

    def op_rmsnorm(self, op, ins, env, layer):
        g = self.weight(op, layer, "real")
        x = ins[0]
        if "plus" in op.attrs:
            g = g + contract.f32(op.attrs["plus"])
        y = contract.rmsnorm(x.reshape(x.shape[:x.ndim - g.ndim] + (-1,)), g.reshape(-1), contract.f32(op.attrs["eps"]))
        return [y.reshape(x.shape)]

    def op_l2norm(self, op, ins, env, layer):
        return [contract.l2norm(ins[0])]

    def op_quant(self, op, ins, env, layer):
        return list(contract.quant(ins[0]))

    def op_topk(self, op, ins, env, layer):
        n = ins[0].shape[-1]
        return [contract.topk(ins[0], int(op.attrs["k"]), int(op.attrs.get("block", n)))]

    def op_matmul(self, op, ins, env, layer):
        t = self.weight(op, layer, "trits")
        acc = ins[0].astype(np.float64) @ t.T.astype(np.float64)  # integers below 2^53: exact
        return [acc.astype(np.int64).reshape([len(ins[0])] + op.types[0][2])]

    def op_gmatmul(self, op, ins, env, layer):
        w = self.m.weights[op.refs[0]]
        q, t = ins[0].astype(np.float64), self.weight(op, layer, "trits").astype(np.float64)
        alpha = self.weight(op, layer, "scales").reshape(len(t), -1)
        y = np.zeros((len(q), len(t)), dtype=F32)
        for g in range(alpha.shape[1]):
            part = slice(g * w.group, (g + 1) * w.group)
            y = contract.fma((q[:, part] @ t[:, part].T).astype(F32), alpha[None, :, g], y)
        return [y.reshape([len(q)] + op.types[0][2])]

    def op_rescale(self, op, ins, env, layer):
        x, r = ins
        return [x * r.reshape((-1,) + (1,) * (x.ndim - 1))]

    def op_dot(self, op, ins, env, layer):
        w = self.weight(op, layer, "real").reshape(-1, ins[0].shape[-1])
        y = [contract.dot1024(w, x[None, :]) for x in ins[0]]
        return [np.array(y, dtype=F32).reshape([len(ins[0])] + op.types[0][2])]

    def op_dequant(self, op, ins, env, layer):
        acc, r = ins
        p = self.weight(op, layer, "scales")[None, :] * r[:, None]
        flat = acc.reshape(len(acc), -1).astype(F32) * p
        return [flat.reshape(acc.shape)]

    def op_bias(self, op, ins, env, layer):
        return [ins[0] + self.weight(op, layer, "real")]

    def op_rope(self, op, ins, env, layer):
        a = op.attrs
        scaling = tuple(float(a[k]) for k in ("factor", "low", "high", "original") if k in a)
        return [contract.rope(ins[0], [r.pos for r in ins[1]], float(a["theta"]), a["pairing"], int(a.get("dims", 0)),
                              scaling)]

    def op_state(self, op, ins, env, layer):
        return [self.cache(op.refs[0], layer)]

    def op_write(self, op, ins, env, layer):
        key, x, rows = ins
        stored = contract.to_cache(x, self.m.states[key[0]].elem)
        for r, y in zip(rows, stored):
            self.caches[key][r.slot, r.pos] = y
        return [key]

    def op_attend(self, op, ins, env, layer):
        q, k, v, rows = ins
        window = int(op.attrs.get("window", 0))
        scale = contract.f32(op.attrs["scale"])
        return [np.array([contract.attend_row(q[t], self.caches[k][r.slot], self.caches[v][r.slot], r.pos, scale,
                                              window) for t, r in enumerate(rows)], dtype=F32).reshape(q.shape)]

    def op_layer(self, op, ins, env, layer):
        return self.call(self.m.funcs[op.refs[0]], ins, int(op.attrs["index"]))

    def op_layers(self, op, ins, env, layer):
        first, last = int(op.attrs["from"]), int(op.attrs["to"])
        for i in range(first, last):
            ins = ins[:1] + self.call(self.m.funcs[op.refs[(i - first) % len(op.refs)]], ins, i)
        return ins[1:]

    def op_kernel(self, op, ins, env, layer):
        return self.block(None, op.body, env, layer)

    def op_emit(self, op, ins, env, layer):
        if not np.isfinite(ins[0]).all():
            raise FloatingPointError("non-finite " + op.attrs["name"])
        self.emitted[op.attrs["name"]] = ins[0]
        return []

    def block(self, f, ops, env, layer):
        for op in ops:
            if op.code in ("yield", "ret"):
                return [env[n] for n in op.ins]
            outs = self.op(f, op, env, layer)
            for name, x in zip(op.out, outs):
                env[name] = x
                if self.trace and f and isinstance(x, np.ndarray):
                    self.trace(f.name[1:], name[1:], layer, x)
        raise SyntaxError("a block without an end")

    def call(self, func, ins, layer):
        env = dict(zip(func.params, ins))
        env["rows"] = ins[0]
        return self.block(func, func.body, env, layer)

    def step(self, rows):
        (entry,) = [f for f in self.m.funcs.values() if f.entry]
        self.call(entry, [rows], None)
        return self.emitted


def names_file(path):
    """Lines 'class = tensor'."""
    pairs = [line.split("=") for line in pathlib.Path(path).read_text().splitlines() if "=" in line]
    return {a.strip(): b.strip() for a, b in pairs}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("program")
    source = ap.add_mutually_exclusive_group(required=True)
    source.add_argument("--weights", metavar="DIR")
    source.add_argument("--seed", type=int)
    ap.add_argument("--tokens", required=True, help="ids, separated by commas")
    ap.add_argument("--logits", metavar="FILE")
    ap.add_argument("--bits", action="store_true", help="print the logits in hexadecimal")
    ap.add_argument("--greedy", type=int, default=0, metavar="N", help="print N ids that follow")
    ap.add_argument("--chunk", type=int, default=64, metavar="N", help="rows a step")
    ap.add_argument("--names", metavar="FILE")
    ap.add_argument("--emit", default="logits", metavar="NAME")
    opt = ap.parse_args()
    module = sir.read(pathlib.Path(opt.program).read_text())
    names = names_file(opt.names) if opt.names else None
    if opt.weights and opt.weights.endswith(".gguf"):
        weights = gguf_file.File(opt.weights)
    else:
        weights = checkpoint.Checkpoint(opt.weights, names) if opt.weights else checkpoint.Seed(opt.seed)
    tokens = [int(t) for t in opt.tokens.split(",")]
    ev = Evaluator(module, weights, positions=len(tokens) + opt.greedy)
    logits = []
    for at in range(0, len(tokens), opt.chunk):
        rows = [Row(t, 0, at + i, True) for i, t in enumerate(tokens[at:at + opt.chunk])]
        logits.extend(ev.step(rows)[opt.emit])
    following = []
    last = logits[-1]
    for i in range(opt.greedy):
        following.append(int(np.argmax(last)))
        if i + 1 < opt.greedy:
            last = ev.step([Row(following[-1], 0, len(tokens) + i, True)])[opt.emit][0]
    if opt.greedy:
        print(*following)
    if opt.bits:
        for row in logits:
            print(*(f"{u:08x}" for u in row.reshape(-1).view(np.uint32)))
    if opt.logits:
        np.array(logits, dtype="<f4").tofile(opt.logits)
    return 0


if __name__ == "__main__":
    sys.exit(main())
