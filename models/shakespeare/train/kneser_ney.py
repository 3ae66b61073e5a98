"""Interpolated modified Kneser-Ney n-gram model over the tokens of tokenizer.json.

The baseline that the neural model has to beat: trained on the same training
nine tenths, measured on the same held-out tenth, in nats per token.  The
held-out tokens are one stream: the context of a token is the four tokens before
it, never cut at a window's border (so the n-gram model sees at least as much of
its context as the neural model does).  Only the first four tokens have a
shorter one.

Chen and Goodman, "An Empirical Study of Smoothing Techniques for Language
Modeling" (1998), section 4.2: three discounts an order, from counts of counts.
"""

import argparse
import json
import math
from collections import defaultdict

from tokenizers import Tokenizer


def split_text(data):
    """Bytes -> (training text, held-out text): 90 % of the bytes, cut after a newline."""
    cut = data.rfind(b"\n", 0, len(data) * 9 // 10) + 1
    return data[:cut].decode("utf-8"), data[cut:].decode("utf-8")


def discounts(counts):
    """The discounts D1, D2, D3+ (index 0 unused) of one order's n-gram counts."""
    n = [0] * 5
    for c in counts.values():
        if c <= 4:
            n[c] += 1
    if 0 in n[1:]:
        return [0.0, 0.5, 0.75, 0.9]
    y = n[1] / (n[1] + 2 * n[2])
    d = [0.0] + [c - (c + 1) * y * n[c + 1] / n[c] for c in (1, 2, 3)]
    return [0.0] + [min(max(v, 0.0), float(c)) for c, v in enumerate(d[1:], 1)]


class KneserNey:
    """n-gram tables: per order a count of each n-gram and the mass of each context."""

    def __init__(self, tokens, order, vocab_size):
        self.order, self.vocab_size = order, vocab_size
        self.counts = self._count(tokens)
        self.discount = [None] + [discounts(c) for c in self.counts[1:]]
        self.context = [None] + [self._contexts(n) for n in range(1, order + 1)]

    def _count(self, tokens):
        """Raw counts for the highest order, numbers of distinct left neighbours below."""
        counts = [None] + [defaultdict(int) for _ in range(self.order)]
        for i in range(len(tokens) - self.order + 1):
            counts[self.order][tuple(tokens[i:i + self.order])] += 1
        for n in range(self.order, 1, -1):
            for gram in counts[n]:
                counts[n - 1][gram[1:]] += 1
        return counts

    def _contexts(self, n):
        """context -> [total count, discounted mass] for order n."""
        table = defaultdict(lambda: [0, 0.0])
        d = self.discount[n]
        for gram, c in self.counts[n].items():
            entry = table[gram[:-1]]
            entry[0] += c
            entry[1] += d[min(c, 3)]
        return dict(table)

    def prob(self, context, token):
        """P(token | context), context a tuple of at most order-1 tokens."""
        p = 1.0 / self.vocab_size
        for n in range(1, len(context) + 2):
            ctx = context[len(context) - n + 1:]
            entry = self.context[n].get(ctx)
            if entry is None:
                break
            c = self.counts[n].get(ctx + (token,), 0)
            kept = c - self.discount[n][min(c, 3)]
            p = (kept + entry[1] * p) / entry[0]
        return p

    def loss(self, tokens):
        """Mean -ln P over all tokens of a stream."""
        total = 0.0
        for i, t in enumerate(tokens):
            total -= math.log(self.prob(tuple(tokens[max(0, i - self.order + 1):i]), t))
        return total / len(tokens)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--text", required=True, help="tinyshakespeare.txt")
    ap.add_argument("--tokenizer", default="tokenizer.json")
    ap.add_argument("--order", type=int, default=5)
    args = ap.parse_args()

    with open(args.text, "rb") as f:
        train, held = split_text(f.read())
    tok = Tokenizer.from_file(args.tokenizer)
    train = tok.encode(train, add_special_tokens=False).ids
    held = tok.encode(held, add_special_tokens=False).ids
    model = KneserNey(train, args.order, tok.get_vocab_size())
    check = sum(model.prob(tuple(held[:4]), t) for t in range(model.vocab_size))
    assert abs(check - 1.0) < 1e-9, check
    print(json.dumps({"order": args.order, "train_tokens": len(train), "tokens": len(held),
                      "nats_per_token": round(model.loss(held), 6)}))


if __name__ == "__main__":
    main()
