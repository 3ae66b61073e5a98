"""Prints one row of a logits file as hexadecimal words; with --near, compares it with golden.json's logits."""
import argparse
import json
import struct
import sys

parser = argparse.ArgumentParser()
parser.add_argument("--row", type=int, required=True)
parser.add_argument("--vocab", type=int, required=True)
parser.add_argument("--near")
parser.add_argument("file")
args = parser.parse_args()
with open(args.file, "rb") as f:
    f.seek(4 * args.row * args.vocab)
    row = f.read(4 * args.vocab)
if args.near:
    with open(args.near, encoding="utf-8") as f:
        golden = json.load(f)
    values = struct.unpack(f"<{args.vocab}f", row)
    worst = max(abs(a - b) for a, b in zip(values, golden["logits"]))
    print(f"largest difference {worst:.3g}")
    sys.exit(worst > golden["tolerance"])
print(" ".join(f"{w:08x}" for w in struct.unpack(f"<{args.vocab}I", row)))
