#!/usr/bin/env python3
"""steps.py SETUN_TOK [--n N] [--seed N]: tokenizers of random steps, models and added tokens, beside the package.

Each is a tokenizer.json with steps drawn from all that setun takes, a small vocabulary made from the step's own
alphabet, and added tokens with random flags.  Ids are compared with and without special tokens, texts of ids without.
"""
import argparse
import base64
import json
import os
import random
import struct
import subprocess
import sys
import tempfile

import vocabularies

MARK = "\u2581"
SPLITS = [{"Regex": r"\s+"}, {"Regex": r"\p{L}+|\p{N}"}, {"Regex": r"(?i:'s|ll)| ?\p{L}+"}, {"String": " "}, {"String": "b"}, {"Regex": r"\w+"}, {"String": MARK},
          {"Regex": r"[^\s]+$"}, {"String": "é!"}]
WAYS = ["Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
PIECES = ["a", "b", "ab", "ba", "l", "ll", "'s", "S", "1", "2", "12", " ", "  ", "\n", "\t", "!", "?!", ".", "é", "e\u0301", "É", "ﬁ", "½", "Å", "가", "한국", "中文", "\u3000", "x\u0323\u0301",
          MARK, MARK + "a", "<w>", "<s>", "</s>", "<n>", "<l>", "<r>", "<b>", "İ", "ß", "\U0001f600", "\u200d", "\u00a0", "_", "A", "aab", "<", ">", "é!", "\u1100\u1161", "Ⅷ",
          "\U0001e030", "a\u07fd\u0323", "\U0001ccd6"]


def normalizers(rng):
    rows = [{"type": "NFC"}, {"type": "NFD"}, {"type": "NFKC"}, {"type": "NFKD"}, {"type": "Lowercase"}, {"type": "Prepend", "prepend": rng.choice([MARK, "a", " "])},
            {"type": "Replace", "pattern": {"String": rng.choice([" ", "ab", "a"])}, "content": rng.choice([MARK, "", "b"])},
            {"type": "Replace", "pattern": {"Regex": rng.choice([" {2,}", r"\s", "a+b"])}, "content": rng.choice([" ", "a", ""])},
            {"type": "Strip", "strip_left": rng.random() < 0.5, "strip_right": rng.random() < 0.5}, {"type": "Precompiled", "precompiled_charsmap": charsmap(rng)}]
    steps = [rng.choice(rows) for _ in range(rng.choice([0, 0, 1, 1, 2, 3]))]
    return None if not steps else steps[0] if len(steps) == 1 and rng.random() < 0.5 else {"type": "Sequence", "normalizers": steps}


def pre_tokenizers(rng, byte_level, changed):
    rows = [{"type": "Split", "pattern": rng.choice(SPLITS), "behavior": rng.choice(WAYS), "invert": rng.random() < 0.3}, {"type": "Digits", "individual_digits": rng.random() < 0.5},
            {"type": "Punctuation", "behavior": rng.choice(WAYS)}, {"type": "Whitespace"}, {"type": "WhitespaceSplit"}]
    space = {"type": "Metaspace", "replacement": MARK, "prepend_scheme": rng.choice(["always", "never" if changed else "first", "never"]),
             "split": rng.random() < 0.5}  # a normaliser that changes the first characters makes them no longer the first to the package
    steps = [rng.choice(rows) for _ in range(rng.choice([0, 0, 1, 2]))]
    if byte_level:
        steps.append({"type": "ByteLevel", "add_prefix_space": rng.random() < 0.3, "trim_offsets": True, "use_regex": rng.random() < 0.5})
        steps += [rng.choice(rows) for _ in range(rng.choice([0, 0, 0, 1]))]
    elif rng.random() < 0.5:
        steps.insert(rng.randrange(len(steps) + 1), space)
    return None if not steps else {"type": "Sequence", "pretokenizers": steps}


def decoders(rng, byte_level, fallback):
    if byte_level:
        return {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    if rng.random() < 0.4 and not fallback:
        return {"type": "Metaspace", "replacement": MARK, "prepend_scheme": rng.choice(["always", "never"]), "split": True}
    steps = [{"type": "Replace", "pattern": {"String": MARK}, "content": " "}] + [{"type": "ByteFallback"}] * fallback + [{"type": "Fuse"}]
    return {"type": "Sequence", "decoders": steps + [{"type": "Strip", "content": " ", "start": 1, "stop": 0}] * (rng.random() < 0.5)}


def charsmap(rng):
    """A Darts double array, written here a second time: a few characters and what they become."""
    entries = {k.encode(): v for k, v in rng.sample([("ﬁ", "fi"), ("½", "1/2"), ("É", "E"), ("\u3000", " "), ("e\u0301", "é"), ("\n", " "), ("a", "A"), ("ab", "x"), ("Å", "")], 5)}
    texts, place = b"", {}
    for key, value in entries.items():
        place[key] = len(texts)
        texts += value.encode() + b"\0"
    units = {0: 0}

    def fill(node, prefix):
        after = sorted({k[len(prefix)] for k in entries if k.startswith(prefix) and len(k) > len(prefix)})
        leaf = prefix in entries
        base = 1
        while any((base ^ c) in units for c in after + [0] * leaf) or base in units or (node ^ base) >= 1 << 21:
            base += 1
        units[node] = (units[node] & 0xFF) | (node ^ base) << 10 | (0x100 if leaf else 0)
        if leaf:
            units[base] = place[prefix] | 0x80000000
        for c in after:
            units[base ^ c] = c
        for c in after:
            fill(base ^ c, prefix + bytes([c]))

    fill(0, b"")
    size = (max(units) | 0xFF) + 1
    trie = b"".join(struct.pack("<I", units.get(i, 0)) for i in range(size))
    return base64.b64encode(struct.pack("<I", len(trie)) + trie + texts).decode()


def bpe(rng, alphabet, extra):
    vocab = {c: i for i, c in enumerate(dict.fromkeys(extra + alphabet))}
    merges, known = [], list(alphabet)
    for _ in range(60):
        a, b = rng.choice(known), rng.choice(known[:40])
        if a + b not in vocab and len(a + b) < 6:
            vocab[a + b] = len(vocab)
            merges.append([a, b])
            known.append(a + b)
    return vocab, merges


def model(rng, kind):
    order = vocabularies.byte_order()
    letters = sorted({c for p in PIECES[:40] if not p.startswith("<") for c in p})
    byte_tokens = [f"<0x{i:02X}>" for i in range(256)]
    if kind == "bytes":
        seen = [order[b] for p in PIECES for b in p.encode()]
        vocab, merges = bpe(rng, list(dict.fromkeys(seen)) + [c for c in order if c not in seen], [])
        return {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False,
                "byte_fallback": False, "ignore_merges": rng.random() < 0.3, "vocab": vocab, "merges": merges}
    fallback = rng.random() < 0.5
    if kind == "chars":
        vocab, merges = bpe(rng, rng.sample(letters, len(letters) - 6), ["<unk>"] + byte_tokens * fallback)
        return {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": rng.random() < 0.5,
                "byte_fallback": fallback, "ignore_merges": False, "vocab": vocab, "merges": merges}
    pieces = dict.fromkeys(rng.sample(letters, len(letters) - 8) + ["".join(rng.choice(letters) for _ in range(rng.randrange(2, 5))) for _ in range(80)])
    scored = [["<unk>", 0.0]] + [[b, -20.0] for b in byte_tokens * fallback] + [[p, -rng.choice([rng.random() * 9, 2.0, 4.0])] for p in pieces]
    return {"type": "Unigram", "unk_id": 0, "vocab": scored, "byte_fallback": fallback}


def tokenizer(rng):
    kind = rng.choice(["bytes", "bytes", "chars", "unigram"])
    m = model(rng, kind)
    fallback = m["byte_fallback"]
    used = len(m["vocab"])
    added = [] if kind == "bytes" else [{"id": 0, "content": "<unk>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}]
    names = ["<s>", "</s>", "<w>", "<n>", "<l>", "<r>", "<b>", "é!", "ll"]
    for i, name in enumerate(rng.sample(names, rng.randrange(2, len(names)))):
        if any(name == v or name == v[0] for v in m["vocab"]):
            continue
        special = name in ("<s>", "</s>")
        added.append({"id": used, "content": name, "single_word": rng.random() < 0.3, "lstrip": rng.random() < 0.3, "rstrip": rng.random() < 0.3,
                      "normalized": not special and rng.random() < 0.4, "special": special})
        used += 1
    ids = {a["content"]: a["id"] for a in added}
    around = [[{"SpecialToken": {"id": n, "type_id": 0}}] if n in ids and rng.random() < 0.5 else [] for n in ("<s>", "</s>")]
    post = {"type": "TemplateProcessing", "single": around[0] + [{"Sequence": {"id": "A", "type_id": 0}}] + around[1], "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {n: {"id": n, "ids": [ids[n]], "tokens": [n]} for n in ("<s>", "</s>") if n in ids}}
    norm = normalizers(rng)
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": norm, "pre_tokenizer": pre_tokenizers(rng, kind == "bytes", norm),
            "post_processor": post, "decoder": decoders(rng, kind == "bytes", fallback), "model": m}


def lists(data, size):
    out, at = [], 0
    while at < len(data):
        n, = struct.unpack_from("<I", data, at)
        at += 4
        out.append(None if n == 0xFFFFFFFF else data[at:at + n * size])
        at += 0 if n == 0xFFFFFFFF else n * size
    return out


def run(setun_tok, path, parts, size, *flags):
    data = b"".join(struct.pack("<I", len(p) // size) + p for p in parts)
    done = subprocess.run([setun_tok, path, *flags], input=data, capture_output=True)
    if done.returncode:
        sys.exit(f"{done.stderr.decode()}\n{open(path, encoding='utf-8').read()}")
    return lists(done.stdout, 4 if size == 1 else 1)


def compare(o, rng, path, page):
    import tokenizers

    t = tokenizers.Tokenizer.from_file(path)
    sample = [""] + ["".join(rng.choice(PIECES) for _ in range(rng.randrange(1, 14))) for _ in range(60)]
    for specials in (True, False):
        if not specials and page["model"]["type"] == "Unigram":
            continue  # the package makes special tokens from plain text then
        t.encode_special_tokens = not specials
        wanted = [e.ids for e in t.encode_batch(sample)]
        got = run(o.setun_tok, path, [s.encode() for s in sample], 1, "--ends", *["--specials"] * specials)
        for s, a, b in zip(sample, got, wanted):
            a = None if a is None else list(struct.unpack("<%dI" % (len(a) // 4), a))
            if a != b:
                shown = {k: v for k, v in page.items() if k != "model"}
                sys.exit(f"{json.dumps(shown, ensure_ascii=False)}\n{page['model']['type']} specials {specials}: {s!r}\n  setun   {a}\n  package {b}")
    plain = {a["id"] for a in page["added_tokens"]}
    wanted = [[i for i in ids if i not in plain] for ids in wanted]  # added tokens are printed as they are written
    texts = run(o.setun_tok, path, [struct.pack("<%dI" % len(ids), *ids) for ids in wanted], 4, "--decode")
    for ids, a, b in zip(wanted, texts, t.decode_batch(wanted)):
        if a.decode() != b and "\ufffd" not in b:
            sys.exit(f"{json.dumps(page['decoder'])} {ids}\n  setun   {a!r}\n  package {b.encode()!r}")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("setun_tok")
    p.add_argument("--n", type=int, default=200)
    p.add_argument("--seed", type=int, default=1)
    o = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "tokenizer.json")
        for i in range(o.n):
            rng = random.Random(o.seed * 1000003 + i)
            page = tokenizer(rng)
            with open(path, "w", encoding="utf-8") as f:
                json.dump(page, f)
            try:
                compare(o, rng, path, page)
            except SystemExit as e:
                sys.exit(f"tokenizer {i}: {e.code}")
    print(f"{o.n} tokenizers give the package's ids and texts")


main()
