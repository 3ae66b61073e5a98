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


def byte_level(folder, pre, normalizer=None, ignore_merges=False, bos=True, size=2000, flags=True):
    """flags: with added tokens that take spaces or stand between words, which GGUF files cannot say."""
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
    t.add_tokens([AddedToken(WORD, special=False, normalized=False)])
    if flags:
        t.add_tokens([AddedToken("<pad>", lstrip=True, rstrip=True, normalized=False), AddedToken("ward", single_word=True, normalized=True)])
    if bos:
        t.post_processor = processors.TemplateProcessing(single=f"{BEGIN} $A", special_tokens=[(BEGIN, t.token_to_id(BEGIN))])
    path = os.path.join(folder, "tokenizer.json")
    t.save(path)
    return path


def split(pattern):
    from tokenizers import Regex, pre_tokenizers

    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def llama3(folder, **options):
    return byte_level(folder, split(LLAMA3), ignore_merges=True, **options)


def qwen2(folder):
    from tokenizers import normalizers

    return byte_level(folder, split(QWEN2), normalizer=normalizers.NFC(), bos=False)


def gpt2(folder, **options):
    from tokenizers import pre_tokenizers

    return byte_level(folder, pre_tokenizers.ByteLevel(add_prefix_space=False), bos=False, **options)


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


USER_DEFINED = ["<2mass>", "▁▁", "▁▁▁▁", "\n\n", "<table>", "ab", "abc"]


def spm_bpe_words(folder):
    """Of Gemma's kind: no space in front, symbols of its own."""
    return spm(folder, **{**LLAMA2, "add_dummy_prefix": False, "user_defined_symbols": USER_DEFINED,
                          "control_symbols": ["<start>", "<mask>"]})


def spm_bpe_plain(folder):
    """What the trainer does by itself: NFKC, spaces tidied, unknown characters unknown."""
    return spm(folder, model_type="bpe", vocab_size=2400, character_coverage=0.98)


def spm_unigram(folder):
    return spm(folder, model_type="unigram", vocab_size=1800, character_coverage=0.98)


def spm_unigram_bytes(folder):
    return spm(folder, model_type="unigram", vocab_size=1800, character_coverage=0.98, byte_fallback=True, remove_extra_whitespaces=False,
               normalization_rule_name="nfkc_cf", user_defined_symbols=["<sep>", "abab"], pad_id=3)


# ---- tokenizer.json with SentencePiece's vocabularies ----


def pieces_of(path):
    """[(text, score, type)] of a model, and its user-defined pieces by their ids."""
    import sentencepiece

    t = sentencepiece.SentencePieceProcessor(model_file=path)
    return t, [(t.id_to_piece(i), t.get_score(i)) for i in range(t.get_piece_size())]


def json_bpe(folder, family, pre, normalizer, decoder, names):
    """As transformers converts a model: merges of all pairs of pieces that make a piece, the best score first."""
    from tokenizers import AddedToken, Tokenizer, models, processors

    path = globals()[family](folder)
    _, pieces = pieces_of(path)
    os.unlink(path)
    vocab = {text: i for i, (text, _) in enumerate(pieces)}
    merges = []
    for text, score in pieces:
        local = [(text[:i], text[i:]) for i in range(1, len(text)) if text[:i] in vocab and text[i:] in vocab]
        merges += [(pair, score) for pair in sorted(local, key=lambda p: (vocab[p[0]], vocab[p[1]]))]
    merges = [pair for pair, _ in sorted(merges, key=lambda m: -m[1])]
    t = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.normalizer, t.decoder = normalizer, decoder
    if pre:
        t.pre_tokenizer = pre
    t.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", vocab["<s>"])])
    t.add_special_tokens([AddedToken(x, special=True, normalized=False) for x in ["<unk>", "<s>", "</s>"] + names])
    t.add_tokens([AddedToken("</line>", special=False, normalized=True), AddedToken("▁▁▁", special=False, normalized=False)])
    path = os.path.join(folder, "tokenizer.json")
    t.save(path)
    return path


def llama2(folder):
    from tokenizers import decoders, normalizers

    decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return json_bpe(folder, "spm_bpe", None, normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), decoder, [])


def gemma(folder):
    from tokenizers import decoders, normalizers, pre_tokenizers

    decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return json_bpe(folder, "spm_bpe", pre_tokenizers.Split(" ", "merged_with_previous"), normalizers.Replace(" ", "▁"), decoder,
                    ["<start_of_turn>", "<end_of_turn>"])


def metaspace(folder):
    """Llama 2 in the form of newer files: Metaspace, only in front of the whole text."""
    from tokenizers import decoders, pre_tokenizers

    decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return json_bpe(folder, "spm_bpe", pre_tokenizers.Metaspace(prepend_scheme="first", split=False), None, decoder, [])


def unigram(folder):
    """Of T5's and XLM-R's kind: a map of characters, Metaspace, log probabilities."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    path = spm_unigram(folder)
    spm_model, pieces = pieces_of(path)
    t = Tokenizer(models.Unigram(pieces, spm_model.unk_id(), False))
    t.normalizer = normalizers.Sequence([normalizers.Precompiled(charsmap(path)), normalizers.Replace(Regex(" {2,}"), " ")])
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    t.decoder = decoders.Metaspace(prepend_scheme="always", split=True)
    t.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", spm_model.eos_id())])
    t.add_special_tokens([AddedToken(x, special=True, normalized=False) for x in ("<unk>", "</s>", "<extra_id_0>")])
    os.unlink(path)
    path = os.path.join(folder, "tokenizer.json")
    t.save(path)
    return path


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


# ---- GGUF, written by the gguf package from a tokenizer of the families above ----


def gguf_of(folder, model, tokens, types, scores=None, merges=None, **keys):
    import gguf

    path = os.path.join(folder, "model.gguf")
    w = gguf.GGUFWriter(path, "llama")
    w.add_tokenizer_model(model)
    w.add_token_list(tokens)
    w.add_token_types(types)
    if scores:
        w.add_token_scores(scores)
    if merges:
        w.add_token_merges(merges)
    for name, value in keys.items():
        getattr(w, f"add_{name}")(value)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return path


def gguf_byte_level(folder, family, pre, **keys):
    """As the converter of llama.cpp writes a tokenizer.json: types of added tokens, merges as pairs."""
    path = globals()[family](folder, flags=False)
    with open(path, encoding="utf-8") as f:
        t = json.load(f)
    added = {x["id"]: x for x in t["added_tokens"]}
    texts_of = {i: token for token, i in t["model"]["vocab"].items()} | {i: x["content"] for i, x in added.items()}
    types = [(3 if added[i]["special"] else 4) if i in added else 1 for i in range(len(texts_of))]
    merges = [m if isinstance(m, str) else " ".join(m) for m in t["model"]["merges"]]
    gguf_of(folder, "gpt2", [texts_of[i] for i in range(len(texts_of))], types, merges=merges, tokenizer_pre=pre, **keys)
    return path


def gguf_llama3(folder):
    begin = 2000
    return gguf_byte_level(folder, "llama3", "llama-bpe", bos_token_id=begin, eos_token_id=begin + 1)


def gguf_gpt2(folder):
    return gguf_byte_level(folder, "gpt2", "gpt-2")


def gguf_pieces(folder, family, model, **keys):
    import sentencepiece

    path = globals()[family](folder)
    t = sentencepiece.SentencePieceProcessor(model_file=path)
    ids = range(t.get_piece_size())
    kind = [2 if t.is_unknown(i) else 3 if t.is_control(i) else 6 if t.is_byte(i) else 5 if t.is_unused(i) else 1 for i in ids]
    for i in ids:
        if family == "spm_bpe_words" and t.id_to_piece(i) in USER_DEFINED:
            kind[i] = 4
    pieces = [t.id_to_piece(i).replace("▁", " ") if kind[i] == 4 else t.id_to_piece(i) for i in ids]
    special = {f"{n}_token_id": i for n, i in (("bos", t.bos_id()), ("eos", t.eos_id()), ("unk", t.unk_id())) if i >= 0}
    gguf_of(folder, model, pieces, kind, scores=[t.get_score(i) for i in ids], **special, **keys)
    return path


def gguf_spm_bpe(folder):
    return gguf_pieces(folder, "spm_bpe", "llama")


def gguf_spm_bpe_words(folder):
    return gguf_pieces(folder, "spm_bpe_words", "llama", add_space_prefix=False)


def gguf_spm_unigram(folder):
    path = spm_unigram(folder)
    return gguf_pieces(folder, "spm_unigram", "t5", add_space_prefix=True, remove_extra_whitespaces=True, add_bos_token=True,
                       add_eos_token=False, precompiled_charsmap=charsmap(path))


def charsmap(path):
    """normalizer_spec.precompiled_charsmap of a model: field 2 of field 3."""

    def fields(data):
        at = 0

        def varint():
            nonlocal at
            value = shift = 0
            while True:
                byte = data[at]
                at += 1
                value |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    return value

        while at < len(data):
            tag = varint()
            size = {0: None, 1: 8, 5: 4}.get(tag & 7, 0)
            if size is None:
                varint()
                continue
            size = size or varint()
            yield tag >> 3, data[at : at + size]
            at += size

    with open(path, "rb") as f:
        normalizer = dict(fields(f.read()))[3]
    return dict(fields(normalizer)).get(2, b"")


def make(family, folder):
    os.makedirs(folder, exist_ok=True)
    return globals()[family](folder)
