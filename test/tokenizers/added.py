#!/usr/bin/env python3
"""added.py SETUN_TOK: added tokens beside a SentencePiece model, as checkpoints of 1bitLLM have them.

Between added tokens stand texts that SentencePiece encodes each for itself, a space in front of each; with
"legacy": false only in front of the whole text.
"""
import json
import os
import random
import sys
import tempfile

import compare
import texts
import vocabularies

NAMES = ["<pad>", "</line>", "<|im_start|>", "<|im_end|>"]


def expected(model, ids, parts, specials, legacy):
    """parts: texts and names of added tokens by turns."""
    out, text, first = [], "", True

    def flush():
        nonlocal text
        prefix = first or legacy or not text
        out.extend(model.encode(text) if prefix else model.encode("\n" + text)[skipped:])
        text = ""

    skipped = len(model.encode("\n"))
    for part in parts:
        if part in ids and (specials or part not in NAMES[2:]):
            flush()
            out.append(ids[part])
            first = False
        else:
            text += part
    flush()
    return out


def main():
    tok, rng = sys.argv[1], random.Random(3)
    bad = False
    with tempfile.TemporaryDirectory() as folder:
        path = vocabularies.make("spm_bpe", folder)
        model, pieces = vocabularies.pieces_of(path)
        size = len(pieces)
        ids = {name: size + i for i, name in enumerate(NAMES)}
        vocabularies.put(folder, "added_tokens.json", {name: ids[name] for name in NAMES[:2]})
        decoder = {str(ids[name]): {"content": name, "special": name in NAMES[2:], "normalized": False} for name in NAMES[1:]}
        decoder |= {"1": {"content": "<s>", "special": True}, "2": {"content": "</s>", "special": True}}
        words = [w for w in texts.training().split() if "<" not in w]
        made = [[rng.choice(NAMES) if rng.random() < 0.4 else " ".join(rng.choices(words, k=3)) + rng.choice(["", " "])
                 for _ in range(rng.randint(1, 7))] for _ in range(4000)]
        for legacy in (None, True, False):
            vocabularies.put(folder, "tokenizer_config.json", {"add_bos_token": False, "added_tokens_decoder": decoder} |
                             ({} if legacy is None else {"legacy": legacy}))
            for specials in (False, True):
                want = compare.framed((compare.as_bytes(expected(model, ids, parts, specials, legacy is not False)) for parts in made), 4)
                strings = ["".join(parts) for parts in made]
                flags = ["--specials"] * specials + ["--ends"]
                ours = compare.run([tok, path, *flags], compare.framed((s.encode() for s in strings), 1))
                bad |= ours != want and compare.differ(f"legacy {legacy} {flags}", strings, ours, want, 4)
    print("added tokens: " + ("DIFFERENT" if bad else "the same ids"))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
