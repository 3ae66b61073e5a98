"""Reader of the textual IR: modules as plain Python objects (docs/ir.md)."""
import re

TOKEN = re.compile(r"\s+|//[^\n]*|([%@][\w.]+|-?\d[\w.]*(?:(?<=e)[-+]\d+)?|[A-Za-z_][\w.]*|[^\s\w])")


class Op:
    def __init__(self):
        self.out, self.code, self.ins, self.refs, self.attrs, self.types, self.body = [], None, [], [], {}, [], None


class Func:
    def __init__(self, name, entry):
        self.name, self.entry, self.params, self.body = name, entry, [], []


class Weight:
    def __init__(self, name, store, dims, layers, scale, group):
        self.name, self.store, self.dims, self.layers = name, store, dims, layers
        self.scale, self.group = scale, group  # group: columns that share a scale, or None


class State:
    def __init__(self, name, elem, dims, layers):
        self.name, self.elem, self.dims, self.layers = name, elem, dims, layers


class Module:
    def __init__(self):
        self.name, self.numbers, self.weights, self.states, self.funcs = None, {}, {}, {}, {}


class Reader:
    def __init__(self, text):
        self.toks = [m.group(1) for m in TOKEN.finditer(text) if m.group(1)] + [None]
        self.at = 0

    @property
    def t(self):
        return self.toks[self.at]

    def take(self):
        self.at += 1
        return self.toks[self.at - 1]

    def eat(self, text):
        if self.t == text:
            self.at += 1
            return True
        return False

    def want(self, text):
        if not self.eat(text):
            near = " ".join(t or "end" for t in self.toks[max(0, self.at - 8):self.at + 4])
            raise SyntaxError(f"expected {text!r}, found {self.t!r} near: {near}")

    def dims(self):
        """([rows symbol], [numbers]) of '[T, 8, 32]'."""
        rows, dims = None, []
        self.want("[")
        while not self.eat("]"):
            t = self.take()
            if t in ("T", "L"):
                rows = t
            else:
                dims.append(int(t))
            self.eat(",")
        return rows, dims

    def type(self):
        elem = self.take()
        if self.eat("<"):
            elem = self.take()
            self.want(">")
        rows, dims = self.dims()
        if self.eat("at"):
            self.take()
        return elem, rows, dims

    def attrs(self):
        attrs = {}
        if self.eat("{"):
            while not self.eat("}"):
                key = self.take()
                self.want("=")
                attrs[key] = self.take()
                self.eat(",")
        return attrs

    def layers(self):
        return int(self.take()) if self.eat("layers") else 0

    def op(self):
        op = Op()
        while self.t[0] == "%":
            op.out.append(self.take())
            self.eat(",")
        if op.out:
            self.want("=")
        op.code = self.take()
        while self.t[0] in "%@":
            t = self.take()
            (op.ins if t[0] == "%" else op.refs).append(t)
            if not self.eat(","):
                break
        op.attrs = self.attrs()
        if op.out:
            self.want(":")
            op.types.append(self.type())
            while self.eat(","):
                op.types.append(self.type())
        if op.code == "kernel":
            op.body = self.block()
        return op

    def block(self):
        ops = []
        self.want("{")
        while not self.eat("}"):
            ops.append(self.op())
        return ops

    def func(self, entry):
        f = Func(self.take(), entry)
        self.want("(")
        while not self.eat(")"):
            f.params.append(self.take())
            self.want(":")
            self.type()
            self.eat(",")
        if self.eat("frame"):
            self.take()
        f.body = self.block()
        return f

    def module(self):
        m = Module()
        self.want("module")
        m.name = self.take()
        m.numbers = {k: int(v) for k, v in self.attrs().items()}
        while self.t:
            word = self.take()
            if word == "weight":
                name = self.take()
                self.want(":")
                store = self.take()
                _, dims = self.dims()
                layers = self.layers()
                scale = self.take() if self.eat("scale") else None
                group = int(self.take()) if scale == "group" else None
                m.weights[name] = Weight(name[1:], store, dims, layers, scale, group)
            elif word == "state":
                name = self.take()
                self.want(":")
                elem, _, dims = self.type()
                m.states[name] = State(name[1:], elem, dims, self.layers())
            elif word in ("func", "entry"):
                f = self.func(word == "entry")
                m.funcs[f.name] = f
            else:
                raise SyntaxError(f"expected a declaration, found {word!r}")
        return m


def read(text):
    return Reader(text).module()
