"""Tokenizers of every published kind, trained on texts.training(), small: make(FAMILY, FOLDER) writes the files.

A family is a function here; it returns what the package of its author needs to encode: see compare.py.
"""
import base64
import io
import json
import os

import texts

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
BEGIN, END, TURN, WORD = "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<tool_call>"


def put(folder, name, value):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        json.dump(value, f, ensure_ascii=False)


# ---- byte-level BPE, of the tokenizers package ----


def byte_level(folder, pre, normalizer=None, ignore_merges=False, bos=True, size=2000):
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    t = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if normalizer:
        t.normalizer = normalizer
    t.pre_tokenizer = pre
    t.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=sorted(alphabet), show_progress=False)
    t.train_from_iterator(texts.training().split("\n"), trainer)
    t.add_special_tokens([AddedToken(x, special=True, normalized=False) for x in (BEGIN, END, TURN)])
    t.add_tokens([AddedToken(WORD, special=False, normalized=False), AddedToken("<pad>", lstrip=True, rstrip=True, normalized=False),
                  AddedToken("ward", single_word=True, normalized=True)])
    if bos:
        t.post_processor = processors.TemplateProcessing(single=f"{BEGIN} $A", special_tokens=[(BEGIN, t.token_to_id(BEGIN))])
    path = os.path.join(folder, "tokenizer.json")
    t.save(path)
    return path


def split(pattern):
    from tokenizers import Regex, pre_tokenizers

    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def llama3(folder):
    return byte_level(folder, split(LLAMA3), ignore_merges=True)


def qwen2(folder):
    from tokenizers import normalizers

    return byte_level(folder, split(QWEN2), normalizer=normalizers.NFC(), bos=False)


def gpt2(folder):
    from tokenizers import pre_tokenizers

    return byte_level(folder, pre_tokenizers.ByteLevel(add_prefix_space=False), bos=False)


def falcon(folder):
    from tokenizers import Regex, pre_tokenizers

    pre = pre_tokenizers.Sequence([pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.ByteLevel(add_prefix_space=False),
                                   pre_tokenizers.Digits(individual_digits=False), pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), "isolated")])
    return byte_level(folder, pre, bos=False)


# ---- SentencePiece ----


def spm(folder, **options):
    import sentencepiece

    model = io.BytesIO()
    lines = [line for line in texts.training().split("\n") if line]
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_writer=model, minloglevel=2, num_threads=2,
                                             max_sentence_length=100000, hard_vocab_limit=False, **options)
    path = os.path.join(folder, "tokenizer.model")
    with open(path, "wb") as f:
        f.write(model.getvalue())
    return path


LLAMA2 = dict(model_type="bpe", vocab_size=2400, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
              add_dummy_prefix=True, split_digits=True, allow_whitespace_only_pieces=True, character_coverage=0.995)


def spm_bpe(folder):
    return spm(folder, **LLAMA2)


def spm_bpe_words(folder):
    """Of Gemma's kind: no space in front, symbols of its own."""
    return spm(folder, **{**LLAMA2, "add_dummy_prefix": False, "user_defined_symbols": ["<2mass>", "▁▁", "▁▁▁▁", "\n\n", "<table>", "ab", "abc"],
                          "control_symbols": ["<start>", "<mask>"]})


def spm_bpe_plain(folder):
    """What the trainer does by itself: NFKC, spaces tidied, unknown characters unknown."""
    return spm(folder, model_type="bpe", vocab_size=2400, character_coverage=0.98)


def spm_unigram(folder):
    return spm(folder, model_type="unigram", vocab_size=1800, character_coverage=0.98)


def spm_unigram_bytes(folder):
    return spm(folder, model_type="unigram", vocab_size=1800, character_coverage=0.98, byte_fallback=True, remove_extra_whitespaces=False,
               normalization_rule_name="nfkc_cf", user_defined_symbols=["<sep>", "abab"], pad_id=3)


# ---- tiktoken ----


def ranks_file(folder, ranks):
    path = os.path.join(folder, "tokenizer.model")
    with open(path, "wb") as f:
        for token, rank in sorted(ranks.items(), key=lambda x: x[1]):
            f.write(base64.b64encode(token) + b" %d\n" % rank)
    return path


def tiktoken(folder):
    """128000 ranks, as Llama 3 has: those of llama3() first, then pairs of earlier ones."""
    import random

    from tokenizers import Tokenizer, pre_tokenizers

    rng = random.Random(5)
    t = Tokenizer.from_file(llama3(folder))
    size = t.get_vocab_size()
    table = {c: i for i, c in enumerate(byte_order())}
    tokens = [bytes(table[c] for c in t.id_to_token(i)) for i in range(size) if all(c in table for c in t.id_to_token(i)) and
              t.id_to_token(i) not in (BEGIN, END, TURN, WORD, "<pad>", "ward")]
    os.unlink(os.path.join(folder, "tokenizer.json"))
    have = set(tokens)
    while len(tokens) < 128000:
        new = rng.choice(tokens) + rng.choice(tokens)
        if len(new) < 12 and new not in have:
            have.add(new)
            tokens.append(new)
    return ranks_file(folder, {token: i for i, token in enumerate(tokens)})


def byte_order():
    """The character of each byte in byte-level vocabularies."""
    itself = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    other = iter(range(0x100, 0x200))
    return [chr(b) if b in itself else chr(next(other)) for b in range(256)]


def make(family, folder):
    os.makedirs(folder, exist_ok=True)
    return globals()[family](folder)
