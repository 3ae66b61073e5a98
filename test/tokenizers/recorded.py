#!/usr/bin/env python3
"""recorded.py SETUN_TOK | --record: the ids of the bundled vocabulary, which is of Llama 3's kind, as recorded.

Needs no package: recorded.json has what the tokenizers package gave, with its version.  --record writes it again.
"""
import json
import os
import random
import subprocess
import sys

import texts

HERE = os.path.dirname(os.path.abspath(__file__))
VOCABULARY = os.path.join(texts.ROOT, "models", "shakespeare", "tokenizer.json")
RECORD = os.path.join(HERE, "Inputs", "recorded.json")


def record():
    import tokenizers

    t = tokenizers.Tokenizer.from_file(VOCABULARY)
    rng = random.Random(11)
    prose = open(os.path.join(texts.ROOT, "models", "shakespeare", "prose.txt"), encoding="utf-8").read()
    names = [x.content for x in t.get_added_tokens_decoder().values()]
    strings = list(texts.slices(rng, prose, 80)) + list(texts.mixtures(rng, 80)) + list(texts.runs(rng, 10)) + list(texts.look_alikes(rng, names, 40))
    strings = [s for s in strings if len(s) < 100]
    rows = [[s, t.encode(s, add_special_tokens=False).ids] for s in strings]
    with open(RECORD, "w", encoding="ascii") as f:
        head = json.dumps({"package": "tokenizers", "version": tokenizers.__version__})
        f.write("[" + head + ",\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "]\n")


def check(tok):
    with open(RECORD, encoding="ascii") as f:
        rows = json.load(f)[1:]
    data = b"".join(len(s.encode()).to_bytes(4, "little") + s.encode() for s, _ in rows)
    done = subprocess.run([tok, VOCABULARY, "--specials"], input=data, stdout=subprocess.PIPE, check=True)
    wanted = b"".join(b"".join(v.to_bytes(4, "little") for v in [len(ids), *ids]) for _, ids in rows)
    print(f"{len(rows)} texts: {'the recorded ids' if done.stdout == wanted else 'OTHER IDS'}")
    return done.stdout != wanted


if __name__ == "__main__":
    sys.exit(record() if sys.argv[1] == "--record" else check(sys.argv[1]))
