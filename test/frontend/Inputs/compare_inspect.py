"""What `setun inspect --json` says of a file, against the file read by numpy or the package gguf.

    compare_inspect.py FOLDER|FILE.gguf FILE.json [EXECUTABLE.json]
"""
import json
import os
import struct
import sys

import numpy as np


def of_folder(folder):
    with open(os.path.join(folder, "model.safetensors"), "rb") as f:
        n = struct.unpack("<Q", f.read(8))[0]
        header = json.loads(f.read(n))
        data = f.read()
    header.pop("__metadata__", None)
    for name, e in header.items():
        a, b = e["data_offsets"]
        trits = None
        if e["dtype"] == "U8":
            p = np.frombuffer(data[a:b], np.uint8)
            codes = np.concatenate([p >> 2 * k & 3 for k in range(4)])
            trits = {t: int((codes == c).sum()) for c, t in enumerate(("-1", "0", "+1"))}
        yield name, e["dtype"].lower(), e["shape"], 8 + n + a, b - a, trits


def of_gguf(path):
    import gguf

    for t in gguf.GGUFReader(path).tensors:
        trits = None
        if t.tensor_type in (gguf.GGMLQuantizationType.TQ1_0, gguf.GGMLQuantizationType.TQ2_0):
            s = np.sign(gguf.quants.dequantize(t.data, t.tensor_type))
            trits = {k: int((s == v).sum()) for k, v in (("-1", -1), ("0", 0), ("+1", 1))}
        yield t.name, t.tensor_type.name.lower(), [int(n) for n in reversed(t.shape)], t.data_offset, t.n_bytes, trits


def main():
    path, told = sys.argv[1], json.load(open(sys.argv[2], encoding="utf-8"))
    seen = {t["name"]: t for t in told["tensors"]}
    total = {"-1": 0, "0": 0, "+1": 0}
    n = 0
    for name, kind, shape, offset, size, trits in of_gguf(path) if path.endswith(".gguf") else of_folder(path):
        t = seen.pop(name)
        expected = (kind, list(shape), int(offset), int(size), trits)
        got = (t["type"], t["shape"], t["offset"], t["bytes"], t.get("trits"))
        assert got == expected, (name, got, expected)
        n += trits is not None
        for k in total:
            total[k] += trits[k] if trits else 0
    assert not seen, seen
    assert n > 0 and told["ternary"] == {"matrices": n, "trits": total}, (told["ternary"], n, total)
    if len(sys.argv) > 3:  # the same trits in an executable
        assert json.load(open(sys.argv[3], encoding="utf-8"))["ternary"] == told["ternary"]
    print(f"{n} ternary matrices, {sum(total.values())} trits")


main()
