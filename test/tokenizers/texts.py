"""Strings to tokenize: text, slices of it, single characters, runs, and what looks like special tokens.

Everything follows from a seed.  The training text is made of words invented for several scripts, and of this project's
own pages, so that vocabularies made from it may be kept anywhere.
"""
import functools
import glob
import os
import random

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# First and last code points that words are made of, and how often.
SCRIPTS = [
    (0x61, 0x7A, 60), (0xDF, 0xFF, 8), (0x3B1, 0x3C9, 4), (0x430, 0x44F, 8), (0x5D0, 0x5EA, 2), (0x627, 0x64A, 4),
    (0x905, 0x939, 4), (0xE01, 0xE2E, 2), (0x3042, 0x3093, 4), (0x4E00, 0x4F00, 8), (0xAC00, 0xAD00, 4), (0x1F600, 0x1F64F, 2),
]
# Characters at which tokenizers go separate ways: white space, marks, joiners, folding, normal forms, quotes, zero.
ODD = list(" \t\n\r\v\f\x00\x1c\x1f\x7f\x85\xa0\xad'\"’_") + [chr(c) for c in (
    0x130, 0x131, 0x149, 0x17F, 0x1C5, 0x300, 0x301, 0x323, 0x345, 0x378, 0x600, 0x61C, 0x93C, 0xE33, 0x1680, 0x180E, 0x1E9E, 0x2000,
    0x2009, 0x200B, 0x200C, 0x200D, 0x2028, 0x2029, 0x202F, 0x205F, 0x2060, 0x2126, 0x212A, 0x2160, 0x2163, 0x2460, 0x2581, 0x3000, 0x3099,
    0x309B, 0xA66F, 0xA960, 0xD7FB, 0xE000, 0xF900, 0xFB01, 0xFDFA, 0xFE0F, 0xFEFF, 0xFF01, 0xFF21, 0xFF3E, 0xFF9E, 0xFFFD, 0xFFFF, 0x10000, 0x1D400,
    0x1D7D8, 0x1F1E6, 0x1F468, 0x1F3FB, 0x2F800, 0xE0001, 0xE0100, 0x10FFFF)]
ENDINGS = ["'s", "'S", "'t", "'re", "'RE", "'ve", "'m", "'ll", "'lL", "'d", "'\u017f", "’s"]


def invented(seed, n_words):
    """Words of all scripts, the short and first ones often, with punctuation, numbers and lines."""
    rng = random.Random(seed)
    scripts = [(lo, hi) for lo, hi, weight in SCRIPTS for _ in range(weight)]
    words = []
    for _ in range(4000):
        lo, hi = rng.choice(scripts)
        letters = [chr(rng.randint(lo, hi)) for _ in range(6)]
        words.append("".join(rng.choice(letters) for _ in range(rng.randint(1, 9))))
    out = []
    for _ in range(n_words):
        word = words[int(len(words) * rng.random() ** 3)]
        shape = rng.random()
        if shape < 0.08:
            word = word.capitalize()
        elif shape < 0.1:
            word = word.upper()
        elif shape < 0.14:
            word = str(rng.randint(0, 10 ** rng.randint(1, 7)))
        elif shape < 0.17:
            word += rng.choice(ENDINGS)
        out.append(word + rng.choice([" "] * 30 + [", "] * 4 + [". "] * 3 + ["; ", "! ", "? ", "\n", "\n\n", "  ", "\t", "    ", " (", ") ", "/", "-", "…"]))
    return "".join(out)


def pages():
    out = []
    for path in sorted(glob.glob(os.path.join(ROOT, "docs", "*.md"))) + [os.path.join(ROOT, "models", "shakespeare", "prose.txt")]:
        with open(path, encoding="utf-8") as f:
            out.append(f.read())
    return "\n".join(out)


@functools.lru_cache
def training():
    return invented(1, 60000) + pages()


def shared(name):
    """A file of ../shared/data, or None."""
    path = os.path.join(ROOT, "..", "shared", "data", name)
    return path if os.path.exists(path) else None


def slices(rng, text, n):
    for _ in range(n):
        at = rng.randrange(len(text))
        yield text[at : at + int(rng.expovariate(1 / 40)) + 1]


def scalars(rng, part):
    """Each Unicode scalar value, alone and between letters; part: one of so many that are neighbours."""
    for first in range(0, 0x110000, part):
        c = first + rng.randrange(part)
        if not 0xD800 <= c < 0xE000 and c < 0x110000:
            yield chr(c)
            yield "a" + chr(c) + "b"


def any_char(rng):
    kind = rng.random()
    if kind < 0.3:
        return rng.choice(ODD)
    if kind < 0.6:
        return chr(rng.randint(0x20, 0x7E))
    lo, hi, _ = rng.choice(SCRIPTS)
    if kind < 0.9:
        return chr(rng.randint(lo, hi))
    c = rng.randrange(0x110000 - 0x800)
    return chr(c if c < 0xD800 else c + 0x800)


def mixtures(rng, n):
    for _ in range(n):
        yield "".join(any_char(rng) for _ in range(rng.randint(1, 24)))


def decoded_bytes(rng, n):
    """Random bytes as far as they are UTF-8."""
    for _ in range(n):
        yield rng.randbytes(rng.randint(1, 60)).decode("utf-8", errors="ignore")


def runs(rng, n):
    for _ in range(n):
        one = any_char(rng) if rng.random() < 0.7 else any_char(rng) + any_char(rng)
        yield any_char(rng) * rng.randint(0, 1) + one * int(2 ** rng.uniform(1, 9)) + any_char(rng) * rng.randint(0, 2)


def look_alikes(rng, names, n):
    """Names of special tokens, whole, cut, doubled, among spaces and words."""
    glue = ["", " ", "  ", "\n", "a", "_", "▁", "é", "1", "<", ">", "|"]
    for _ in range(n):
        out = []
        for _ in range(rng.randint(1, 4)):
            name = rng.choice(names)
            kind = rng.random()
            if kind < 0.2:
                name = name[: rng.randint(0, len(name))]
            elif kind < 0.3:
                name = name[rng.randint(0, len(name)) :]
            elif kind < 0.35:
                name = name.upper()
            out += [rng.choice(glue), name, rng.choice(glue)]
        yield "".join(out)


def all_of(seed, names, scale, text, part):
    """At least 100,000 strings for scale 1; part: of the single characters, one of so many."""
    rng = random.Random(seed)
    yield ""
    yield from text.split("\n")
    yield from slices(rng, text, int(60000 * scale))
    yield from mixtures(rng, int(30000 * scale))
    yield from decoded_bytes(rng, int(5000 * scale))
    yield from runs(rng, int(2000 * scale))
    if names:
        yield from look_alikes(rng, names, int(10000 * scale))
    yield from scalars(rng, part)
