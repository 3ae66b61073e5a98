#!/usr/bin/env python3
"""What the model of fake_model.c computes, once more.

    reference.py logits IDS FILE     FILE holds the logits of every position of IDS, bit for bit
    reference.py greedy IDS N        prints the N ids that follow greedily
    reference.py ppl IDS N           prints what `ppl --window N` should: nats a token
    reference.py embed IDS           prints the embedding of fake-embed
    reference.py trace IDS FILE      FILE is the trace of these ids, in any chunks
"""
import math
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pack  # noqa: E402

VOCAB, M64 = 300, (1 << 64) - 1
WORDS = pack.weights()


def mix(z):
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & M64
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & M64
    return z ^ z >> 31


def states(ids):
    h, out = 0, []
    for t in ids:
        h = mix((h + 0x9E3779B97F4A7C15 * (t + 1)) & M64)
        out.append(h)
    return out


def logits(h):
    out = []
    for v in range(VOCAB):
        w = WORDS[((h + v) & M64) % pack.WEIGHTS]
        out.append((mix((h + v + w) & M64) >> 40) * 2.0 ** -20 - 8)
    return out


def greedy(ids, n):
    ids, out = list(ids), []
    for _ in range(n):
        row = logits(states(ids)[-1])
        out.append(row.index(max(row)))
        ids.append(out[-1])
    return out


def nats(ids, window, bos=297):
    total, n = 0.0, 0
    for at in range(0, len(ids), window):
        part = ids[at:at + window]
        for h, target in zip(states([bos] + part[:-1]), part):
            row = logits(h)
            total += math.log(sum(math.exp(x) for x in row)) - row[target]
            n += 1
    return total / n


def read_trace(path):
    data = open(path, "rb").read()
    assert data[:8] == b"SETUTRC1"
    at = 8
    while at < len(data):
        step, kernel, layer, elem, rows, elems, kn, vn = struct.unpack_from("<8I", data, at)
        at += 32
        pos = struct.unpack_from("<%dI" % rows, data, at)
        at += 4 * rows
        names = data[at:at + kn].decode(), data[at + kn:at + kn + vn].decode()
        at += (kn + vn + 3) // 4 * 4
        kind, size = {0: ("f", 4), 1: ("b", 1), 2: ("i", 4)}[elem]
        values = struct.unpack_from("<%d%s" % (rows * elems, kind), data, at)
        at += (rows * elems * size + 3) // 4 * 4
        yield step, kernel, layer, names, elem, pos, [values[r * elems:(r + 1) * elems] for r in range(rows)]
    assert at == len(data)


def check_trace(ids, path):
    seen = {"h": [], "codes": [], "logits": []}
    steps = 0
    for step, kernel, layer, names, elem, pos, rows in read_trace(path):
        steps = step + 1
        known = {"h": (0, 3, "body.0:h", 2), "codes": (0, 3, "body.0:h", 1), "logits": (1, 0, "generate:logits", 0)}
        assert (kernel, layer, names[0], elem) == known[names[1]], names
        for p, row in zip(pos, rows):
            h = struct.pack("<Q", states(ids)[p])
            want = {"h": struct.unpack("<2i", h), "codes": struct.unpack("<5b", h[:5]),
                    "logits": tuple(logits(states(ids)[p]))}[names[1]]
            assert row == want, (names, p)
            seen[names[1]].append(p)
    assert seen["h"] == seen["codes"] == list(range(len(ids))), seen
    print(f"{steps} steps, logits of positions {' '.join(map(str, seen['logits']))}")


def main():
    what, ids = sys.argv[1], [int(x) for x in sys.argv[2].split(",")]
    if what == "logits":
        want = b"".join(struct.pack("<%df" % VOCAB, *logits(h)) for h in states(ids))
        got = open(sys.argv[3], "rb").read()
        assert len(got) == len(want), f"{len(got)} bytes instead of {len(want)}"
        assert got == want, "logits differ"
    elif what == "greedy":
        print(*greedy(ids, int(sys.argv[3])))
    elif what == "ppl":
        print(f"nats/token: {nats(ids, int(sys.argv[3])):.4f}")
    elif what == "embed":
        print(*("%.9g" % x for x in logits(states(ids)[-1])[:24]))
    elif what == "trace":
        check_trace(ids, sys.argv[3])


if __name__ == "__main__":
    main()
