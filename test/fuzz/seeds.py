"""Small files of strangers' formats for the fuzz targets to begin with: seeds(NAME) gives {file name: bytes}."""
import base64
import pathlib
import struct

ROOT = pathlib.Path(__file__).resolve().parents[2]


def varint(v):
    out = b""
    while v > 127:
        out, v = out + bytes([v & 127 | 128]), v >> 7
    return out + bytes([v])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def pieces():
    """(text, score, type) of a small SentencePiece model."""
    yield from [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    yield from ((f"<0x{i:02X}>", 0.0, 6) for i in range(256))
    yield from [("ab", -1.0, 1), ("▁ab", -2.0, 1), ("▁", -3.0, 1), ("a", -4.0, 1), ("b", -5.0, 1), ("é", -6.0, 1), ("<x>", 0.0, 4)]


def spm(model_type):
    out = b"".join(field(1, field(1, t.encode()) + field(2, s) + field(3, k)) for t, s, k in pieces())
    out += field(2, field(3, model_type) + field(35, 1) + field(46, b"<s>") + field(47, b"</s>"))
    return out + field(3, field(1, b"identity") + field(3, 1) + field(4, model_type - 1) + field(5, 1))


def ranks():
    return b"".join(base64.b64encode(bytes([i])) + b" %d\n" % i for i in range(256)) + b"YWI= 256\n"


def string(text):
    text = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(text)) + text


def array(kind, packed, n):
    return struct.pack("<IIQ", 9, kind, n) + packed


def gguf(pairs):
    out = b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs))
    return out + b"".join(string("tokenizer.ggml." + key) + value for key, value in pairs.items())


def gguf_pieces(model):
    all_ = list(pieces())
    return gguf({"model": struct.pack("<I", 8) + string(model), "tokens": array(8, b"".join(string(t) for t, _, _ in all_), len(all_)),
                 "scores": array(6, struct.pack(f"<{len(all_)}f", *(s for _, s, _ in all_)), len(all_)),
                 "token_type": array(5, struct.pack(f"<{len(all_)}i", *(k for _, _, k in all_)), len(all_)),
                 "add_space_prefix": struct.pack("<IB", 7, 1), "bos_token_id": struct.pack("<II", 4, 1)})


def gguf_bytes():
    itself = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    other = iter(range(0x100, 0x200))
    tokens = [chr(b) if b in itself else chr(next(other)) for b in range(256)] + ["ab", "<|im_end|>", "<w>"]
    types = [1] * 257 + [3, 4]
    return gguf({"model": struct.pack("<I", 8) + string("gpt2"), "pre": struct.pack("<I", 8) + string("falcon"),
                 "tokens": array(8, b"".join(map(string, tokens)), len(tokens)), "token_type": array(5, struct.pack("<259i", *types), 259),
                 "merges": array(8, string("a b"), 1), "eos_token_id": struct.pack("<II", 4, 257)})


def safetensors():
    header = b'{"a": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]}, "b": {"dtype": "U8", "shape": [3], "data_offsets": [8, 11]}}'
    return len(header).to_bytes(8, "little") + header + bytes(11)


def gguf_tensors():
    """The tensors a F32[2, 4] and b F16[3], and three pairs."""
    pairs = [string("general.architecture") + struct.pack("<I", 8) + string("demo"), string("general.alignment") + struct.pack("<II", 4, 32)]
    pairs.append(string("demo.words") + array(8, string("one") + string("two"), 2))
    infos = string("a") + struct.pack("<IQQIQ", 2, 4, 2, 0, 0) + string("b") + struct.pack("<IQIQ", 1, 3, 1, 32)
    header = b"GGUF" + struct.pack("<IQQ", 3, 2, len(pairs)) + b"".join(pairs) + infos
    return header + bytes(-len(header) % 32) + bytes(64)


def conversation():
    return b'[{"role": "user", "content": "a \\"b\\" \\u00e9 \\ud83d\\ude00\\n"}, {"role": "assistant", "content": ""}]'


SEEDS = {
    "chat_fuzz": {"two.json": conversation},
    "safetensors_fuzz": {"small.safetensors": safetensors},
    "tokenizer_fuzz": {"unigram.model": lambda: spm(1), "bpe.model": lambda: spm(2), "ranks": ranks},
    "tokenizer_gguf_fuzz": {"llama.gguf": lambda: gguf_pieces("llama"), "t5.gguf": lambda: gguf_pieces("t5"), "gpt2.gguf": gguf_bytes},
    "gguf_fuzz": {"gpt2.gguf": gguf_bytes, "small.gguf": gguf_tensors},
}


FILES = {
    "config_fuzz": ["models/*/config.json"],
    "jinja_fuzz": ["test/jinja/templates/*.jinja"],
    "ir_fuzz": ["test/ir/Inputs/*.sir", "test/passes/*.sir"],
    "model_fuzz": ["models/*.stn", "test/lang/*.stn", "test/lang/Inputs/*.stn", "test/frontend/*.stn"],
    "tokenizer_fuzz": ["models/*/tokenizer.json"],
}


def seeds(name):
    found = {f"{p.parent.name}-{p.name}": p.read_bytes() for pattern in FILES.get(name, []) for p in sorted(ROOT.glob(pattern))}
    return found | {file: make() for file, make in SEEDS.get(name, {}).items()}
