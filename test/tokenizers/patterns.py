#!/usr/bin/env python3
"""patterns.py SETUN_TOK [--n N] [--seed N]: one character of a pre-tokenizer's pattern changed; the ids follow the package's.

Patterns are those of published tokenizers with one character replaced, dropped or doubled, cut from texts in each of
the five ways, inverted or not.  A pattern that the package does not take is passed over; one that setun refuses must
be refused by name (exit 4, or 3 where it is no expression at all); whatever both take must give equal ids.
"""
import argparse
import json
import os
import random
import struct
import subprocess
import sys
import tempfile

import texts
import vocabularies

PATTERNS = [
    vocabularies.LLAMA3, vocabularies.QWEN2,
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"\d{1,2}+|a{2}+b?|\w|\s{1,2}+|[^\s\w]{,2}", r"\w+|\d{2}|[^\w\s]+|\s+$|^\s|\b\S", "[一-龥぀-ゟ゠-ヿ]+|\\p{Han}|[\\u4e00-\\x{5000}]",
]
CLASSES = [r"\w+", r"[\w]+", r"\W+", r"\s+", r"\S+", r"[^\S]+", r"\d+", r"\D+", r"\b.", r"\B.", r"(?i:[a-z]+)", r"(?i:k|s|å|ǆ|θ|ω|ß)+", r"\p{L}+", r"\p{N}+", r"\p{M}+",
           r"\p{P}+", r"\p{S}+", r"\p{Z}+", r"\p{C}+", r"[\p{Lu}\p{Lt}\p{Lm}]+", r"\p{Ll}+", r"\p{Lo}+", r"\p{Han}+", r"\p{Hiragana}+", r"\p{Katakana}+",
           r"\p{Latin}+", r"\p{Arabic}+", r"\p{Common}+", r".+", r"\h+", r"[^\r\n\p{L}\p{N}]+", r"^.", r".$",
           {"type": "Digits", "individual_digits": True}, {"type": "Punctuation", "behavior": "Isolated"}, {"type": "Whitespace"}, {"type": "WhitespaceSplit"}]
CHANGED = {0x1171E}  # Mn once, Mc since Unicode 15: the one character whose category is another one, not a new one
LETTERS = r"""\|()[]{}?*+^$.-,:!=<'"0123459abdDhHilLnNpPrsStvVwWxzZéλ一 """
WAYS = ["Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"]


def changed(rng, pattern):
    i = rng.randrange(len(pattern))
    kind = rng.randrange(4)
    if kind == 0:
        return pattern[:i] + pattern[i + 1:]
    if kind == 1:
        return pattern[:i] + pattern[i] + pattern[i:]
    if kind == 2:
        return pattern[:i] + rng.choice(LETTERS) + pattern[i:]
    return pattern[:i] + rng.choice(LETTERS) + pattern[i + 1:]


def tokenizer(pattern, way, invert):
    """A token a byte, and one for "a" with any byte that begins or ends a character: so the ids show all cuts."""
    order = vocabularies.byte_order()
    vocab = {c: i for i, c in enumerate(order)}
    merges = []
    for b in range(0x80, 0x100):
        pair = ["a", order[b]] if b >= 0xC0 else [order[b], "a"]
        vocab["".join(pair)] = len(vocab)
        merges.append(pair)
    for a, b in [("a", "b"), ("Ġ", "a"), ("1", "2"), ("Ċ", "Ċ"), ("Ġ", "Ġ"), ("l", "l"), ("'", "s"), ("Ã", "©"), ("A", "b"), ("!", "!"), ("ĠĠ", "ĠĠ"),
                 ("12", "12"), ("ab", "ab"), ("a", "l"), ("č", "Ċ"), ("å", "Ģ"), (".", "a"), ("_", "a")]:
        vocab.setdefault(a + b, len(vocab))
        merges.append([a, b])
    split = pattern if isinstance(pattern, dict) else {"type": "Split", "pattern": {"Regex": pattern}, "behavior": way, "invert": invert}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, level]}, "post_processor": None,
            "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": vocab, "merges": merges}}


def strings(rng):
    alphabet = ["a", "b", "ab", "A", "l", "s", "S", "'", "'s", "'ll", "'\u017f", "1", "12", "3", "½", "²", " ", "  ", "\n", "\r\n", "\t", "!", ".", "_", "-",
                "/", "é", "e\u0301", "λ", "Ж", "一", "々", "あ", "한", "ª", "ǅ", "Ⅷ", "\u180e", "\u2028", "\x85", "\xa0", "\u200d", "\U0001f600", "$", "^", "|"]
    return ["".join(rng.choice(alphabet) for _ in range(rng.randrange(1, 30))) for _ in range(120)]


def scalars(part, seed):
    """ "aXa" of each scalar value X, or of one in so many."""
    rng = random.Random(seed)
    return [f"a{chr(c)}a" for c in range(0x110000) if not 0xD800 <= c < 0xE000 and c not in CHANGED and (part == 1 or c < 0x300 or rng.random() * part < 1)]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("setun_tok")
    p.add_argument("--n", type=int, default=300)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--verbose", action="store_true")
    p.add_argument("--scalars", type=int, help="instead, one of so many Unicode scalar values with each of the classes")
    o = p.parse_args()
    import tokenizers

    if o.scalars:
        o.n = len(CLASSES)
    rng, counts = random.Random(o.seed), {"equal": 0, "refused": 0, "passed over": 0}
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "tokenizer.json")
        for i in range(o.n):
            pattern = PATTERNS[i % len(PATTERNS)]
            if i >= len(PATTERNS):
                pattern = changed(rng, pattern)
            if o.scalars:
                pattern = CLASSES[i]
            page = tokenizer(pattern, WAYS[0] if o.scalars or rng.random() < 0.5 else rng.choice(WAYS), rng.random() < 0.2 and not o.scalars)
            with open(path, "w", encoding="utf-8") as f:
                json.dump(page, f)
            sample = scalars(o.scalars, o.seed) if o.scalars else strings(rng)
            try:
                wanted = [e.ids for e in tokenizers.Tokenizer.from_file(path).encode_batch(sample)]
            except Exception:
                counts["passed over"] += 1
                continue
            data = b"".join(struct.pack("<I", len(s.encode())) + s.encode() for s in sample)
            done = subprocess.run([o.setun_tok, path], input=data, capture_output=True)
            if done.returncode in (3, 4):
                counts["refused"] += 1
                if o.verbose:
                    print(done.stderr.decode().strip().replace(path, ""), repr(pattern))
                continue
            got, at = [], 0
            while at < len(done.stdout):
                n, = struct.unpack_from("<I", done.stdout, at)
                got.append(list(struct.unpack_from("<%dI" % n, done.stdout, at + 4)) if n != 0xFFFFFFFF else None)
                at += 4 + 4 * n if n != 0xFFFFFFFF else 4
            bad = []
            for s, a, b in zip(sample, got + [None] * len(sample), wanted):
                if a != b and o.scalars:
                    bad.append(s)
                elif a != b:
                    print(f"{pattern!r} {page['pre_tokenizer']['pretokenizers'][0]}\n  {s!r}\n  setun   {a}\n  package {b}\n{done.stderr.decode()[:300]}")
                    sys.exit(1)
            if bad:
                print(f"{pattern!r}: {len(bad)} of {len(sample)}: {' '.join('%04X' % ord(s[1]) for s in bad[:400])}")
                failed = True
            counts["equal"] += 1
    if failed:
        sys.exit(1)
    print(", ".join(f"{n} {what}" for what, n in counts.items()))
    if counts["equal"] < o.n / 2:
        sys.exit("fewer than half of the patterns were compared")


main()
