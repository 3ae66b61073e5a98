#!/usr/bin/env python3
"""compare.py SETUN_TOK FAMILY [--scale S] [--part N] [--seed N] [--keep FOLDER]

Makes a tokenizer (vocabularies.py), encodes and decodes strings (texts.py) with it, once with the package of its
author and once with setun-tok, and compares every id and every byte.  --scale 1 is at least 100,000 strings; --part N
takes one of N Unicode scalar values, and 1 all of them.
"""
import argparse
import array
import os
import subprocess
import sys
import tempfile

import texts
import vocabularies

LLAMA3_RANKS = 128000


# ---- the packages: each gives encode(strings, specials, ends) and decode(list of ids) ----


class Tokenizers:
    def __init__(self, path):
        import tokenizers

        self.t = tokenizers.Tokenizer.from_file(path)
        added = self.t.get_added_tokens_decoder()
        self.names = [x.content for x in added.values()]
        self.normalized = {i for i, x in added.items() if x.normalized} if "Prepend" in str(self.t.normalizer) else set()

    def encode(self, strings, specials, ends):
        self.t.encode_special_tokens = not specials
        return [e.ids for e in self.t.encode_batch_fast(strings, add_special_tokens=ends)]

    def decode(self, ids):
        return [s.encode() for s in self.t.decode_batch(ids, skip_special_tokens=True)]

    def decodes(self, ids):
        """It prints what the normaliser made of an added token, with the space before it; setun prints the token."""
        return self.normalized.isdisjoint(ids)


class Unigram(Tokenizers):
    """Its model takes the texts of special tokens for them where that is not asked for; setun does not."""

    def __init__(self, path):
        super().__init__(path)
        self.special, self.names = self.names, []


class SentencePiece:
    def __init__(self, path):
        import sentencepiece

        self.t = sentencepiece.SentencePieceProcessor(model_file=path)
        self.names = [self.t.id_to_piece(i) for i in range(self.t.get_piece_size()) if self.t.is_control(i) or self.t.is_unknown(i)]
        self.names += [self.t.id_to_piece(i) for i in range(20)] + ["<0x41>", "<0x0A>"]

    def encode(self, strings, specials, ends):
        assert not specials
        return self.t.encode(strings, add_bos=ends)

    def decode(self, ids):
        return [s.encode() for s in self.t.decode(ids)]

    def decodes(self, ids):
        """It prints a mark of its own for what is unknown."""
        return self.t.unk_id() not in ids


class Tiktoken:
    def __init__(self, path):
        import tiktoken
        import tiktoken.load

        ranks = tiktoken.load.load_tiktoken_bpe(path)
        first = len(ranks)
        named = {0: "begin_of_text", 1: "end_of_text", 6: "start_header_id", 7: "end_header_id", 9: "eot_id"}
        reserved = iter(range(256))
        special = {f"<|{named[i] if i in named else f'reserved_special_token_{next(reserved)}'}|>": first + i for i in range(256)}
        self.t = tiktoken.Encoding("x", pat_str=vocabularies.LLAMA3, mergeable_ranks=ranks, special_tokens=special)
        # Tokens too: one that no merges lead to is found only because a piece that is a token is that token.
        words = [t.decode() for t in ranks if t.isalpha() and len(t) > 5]
        self.names = list(special) + words[-200:]
        self.begin = special["<|begin_of_text|>"]

    def encode(self, strings, specials, ends):
        allowed = "all" if specials else set()
        ids = self.t.encode_batch(strings, allowed_special=allowed, disallowed_special=(), num_threads=2)
        return [[self.begin] + one for one in ids] if ends else ids

    def decodes(self, _):
        return True

    def decode(self, ids):
        return [self.t.decode([i for i in one if i < LLAMA3_RANKS]).encode() for one in ids]


# ---- ours ----


def run(command, data):
    done = subprocess.run(command, input=data, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}")
    return done.stdout


def framed(items, size):
    out = bytearray()
    for item in items:
        out += (len(item) // size).to_bytes(4, "little") + item
    return bytes(out)


def unframed(data, size):
    at = 0
    while at < len(data):
        n = int.from_bytes(data[at : at + 4], "little")
        n = 0 if n == 0xFFFFFFFF else n * size
        yield data[at : at + 4 + n]
        at += 4 + n


def as_bytes(ids):
    return array.array("I", ids).tobytes()


def differ(what, strings, ours, wanted, show):
    """The first few strings that differ; whether any does."""
    a, b = list(unframed(ours, show)), list(unframed(wanted, show))
    wrong = [i for i in range(max(len(a), len(b))) if i >= len(a) or i >= len(b) or a[i] != b[i]]
    print(f"{what}: {len(wrong)} of {len(b)} differ")
    for i in wrong[:8]:
        read = (lambda x: list(array.array("I", x[4:]))) if show == 4 else (lambda x: x[4:])
        print(f"  {strings[i]!r}\n    ours   {read(a[i])}\n    theirs {read(b[i])}")
    return bool(wrong)


def compare(tok, path, them, strings, specials, ends):
    """Whether any string gave other ids or another text."""
    flags = ["--specials"] * specials + ["--ends"] * ends
    ids = them.encode(strings, specials, ends)
    wanted = framed(map(as_bytes, ids), 4)
    ours = run([tok, path, *flags], framed((s.encode() for s in strings), 1))
    bad = ours != wanted and differ(f"ids {flags}", strings, ours, wanted, 4)
    if specials or ends:
        return bad
    keep = [i for i, one in enumerate(ids) if them.decodes(one)]
    texts_wanted = framed(them.decode([ids[i] for i in keep]), 1)
    texts_ours = run([tok, path, "--decode"], framed((as_bytes(ids[i]) for i in keep), 4))
    return (texts_ours != texts_wanted and differ("texts", [strings[i] for i in keep], texts_ours, texts_wanted, 1)) or bad


READERS = {"shakespeare": Tokenizers, "llama2": Tokenizers, "gemma": Tokenizers, "metaspace": Tokenizers, "unigram": Unigram, "llama3": Tokenizers, "qwen2": Tokenizers, "gpt2": Tokenizers, "falcon": Tokenizers, "tiktoken": Tiktoken, "shared_tiktoken": Tiktoken,
           "spm_bpe": SentencePiece, "spm_bpe_words": SentencePiece, "spm_bpe_plain": SentencePiece, "spm_unigram": SentencePiece,
           "spm_unigram_bytes": SentencePiece, "gguf_llama3": Tokenizers, "gguf_gpt2": Tokenizers, "gguf_spm_bpe": SentencePiece,
           "gguf_spm_bpe_words": SentencePiece, "gguf_spm_unigram": SentencePiece}


KEPT = {"shared_tiktoken": texts.shared("llama3-tokenizer.model"), "shakespeare": os.path.join(texts.ROOT, "models/shakespeare/tokenizer.json")}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tok", nargs="?")
    parser.add_argument("family", nargs="?", choices=READERS)
    parser.add_argument("--list", action="store_true", help="the families that can be compared here")
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--part", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", help="where the files of the tokenizer stay")
    args = parser.parse_args()
    if args.list:
        print(" ".join(f for f in READERS if f not in KEPT or KEPT[f]))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = KEPT[args.family] if args.family in KEPT else vocabularies.make(args.family, args.keep or folder)
        them = READERS[args.family](path)
        corpus = texts.shared("tinyshakespeare.txt") if args.family == "shared_tiktoken" else None
        text = open(corpus, encoding="utf-8").read() if corpus else texts.training()
        ours = os.path.join(os.path.dirname(path), "model.gguf") if args.family.startswith("gguf_") else path
        strings = list(texts.all_of(args.seed, them.names, args.scale, text, args.part))
        bad = compare(args.tok, ours, them, strings, False, False)
        some = strings[: len(strings) // 8]
        if not isinstance(them, SentencePiece):
            bad |= compare(args.tok, ours, them, some + list(texts.look_alikes(texts.random.Random(args.seed), getattr(them, "special", them.names), 5000)), True, False)
        bad |= compare(args.tok, ours, them, some, False, True)
    print(f"{args.family}: {len(strings)} strings, {'DIFFERENT' if bad else 'the same ids and texts'}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
