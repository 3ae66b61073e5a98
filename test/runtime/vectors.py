#!/usr/bin/env python3
"""vectors.py TEXT JSON RAW: three forms of the same vectors; prints how many, and the cosine of the first two."""
import json
import math
import struct
import sys



def f32(numbers):
    return list(struct.unpack("<%df" % len(numbers), struct.pack("<%df" % len(numbers), *numbers)))


with open(sys.argv[1], encoding="ascii") as f:
    text = [f32([float(x) for x in line.split()]) for line in f]
with open(sys.argv[2], encoding="ascii") as f:
    lists = [f32(json.loads(line)) for line in f]
with open(sys.argv[3], "rb") as f:
    raw = f.read()
n = len(text[0])
single = [list(struct.unpack_from("<%df" % n, raw, 4 * n * i)) for i in range(len(raw) // (4 * n))]
assert text == lists == single, "the forms differ"
a, b = text[:2]
cosine = sum(x * y for x, y in zip(a, b)) / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(x * x for x in b))
print(f"{len(text)} vectors of {n} numbers, cosine {cosine:.6f}")
