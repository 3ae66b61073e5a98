"""A GGUF file of a small model whose every block has a scale of its own.

    blocks.py OUT.gguf REAL TERNARY         REAL: Q8_0, Q6_K, Q4_0, Q4_K; TERNARY: TQ2_0, Q2_0, Q2_0_128

Values are drawn; the halves of blocks get small exponents, and codes are never 3.
"""
import random
import struct
import sys

# type number, elements and bytes of a block, places of its halves and the exponents they get
REAL = {"Q8_0": (8, 32, 34, [(0, 7)]), "Q6_K": (14, 256, 210, [(208, 3)]), "Q4_0": (2, 32, 18, [(0, 12)]),
        "Q4_K": (12, 256, 144, [(0, 4), (2, 8)])}
TERNARY = {"TQ2_0": (35, 256, 66, 64), "Q2_0": (42, 64, 18, 0), "Q2_0_128": (42, 128, 34, 0)}
CODES = [a | b << 2 | c << 4 | d << 6 for a in range(3) for b in range(3) for c in range(3) for d in range(3)]
HIDDEN, FFN, LAYERS, HEADS, KV_HEADS, HEAD, VOCAB = 256, 768, 2, 4, 2, 64, 300

out, real, ternary = sys.argv[1], REAL[sys.argv[2]], TERNARY[sys.argv[3]]
draw = random.Random(f"{sys.argv[2]} {sys.argv[3]}")


def text(s):
    return struct.pack("<Q", len(s)) + s.encode()


def real_blocks(rows, cols):
    data = bytearray(draw.randbytes(rows * cols // real[1] * real[2]))
    for block in range(0, len(data), real[2]):
        for at, exponent in real[3]:
            data[block + at + 1] = data[block + at + 1] & 0x83 | exponent << 2
    return real[0], bytes(data)


def ternary_blocks(rows, cols):
    _, elems, size, at = ternary
    data = bytearray(draw.choices(CODES, k=rows * cols // elems * size))
    for block in range(0, len(data), size):
        data[block + at:block + at + 2] = struct.pack("<H", 8 << 10 | draw.randrange(1024))  # 2^-7 to 2^-6
    return ternary[0], bytes(data)


def gain(n):
    return 0, struct.pack(f"<{n}f", *(draw.uniform(0.9, 1.1) for _ in range(n)))


tensors = [("token_embd.weight", [HIDDEN, VOCAB], real_blocks(VOCAB, HIDDEN)), ("output_norm.weight", [HIDDEN], gain(HIDDEN)),
           ("output.weight", [HIDDEN, VOCAB], real_blocks(VOCAB, HIDDEN))]
for i in range(LAYERS):
    for name, n in ("attn_norm", HIDDEN), ("attn_sub_norm", HIDDEN), ("ffn_norm", HIDDEN), ("ffn_sub_norm", FFN):
        tensors.append((f"blk.{i}.{name}.weight", [n], gain(n)))
    for name, rows, cols in (("attn_q", HEADS * HEAD, HIDDEN), ("attn_k", KV_HEADS * HEAD, HIDDEN),
                             ("attn_v", KV_HEADS * HEAD, HIDDEN), ("attn_output", HIDDEN, HEADS * HEAD),
                             ("ffn_gate", FFN, HIDDEN), ("ffn_up", FFN, HIDDEN), ("ffn_down", HIDDEN, FFN)):
        tensors.append((f"blk.{i}.{name}.weight", [cols, rows], ternary_blocks(rows, cols)))

numbers = {"context_length": 64, "embedding_length": HIDDEN, "block_count": LAYERS, "feed_forward_length": FFN,
           "attention.head_count": HEADS, "attention.head_count_kv": KV_HEADS, "rope.dimension_count": HEAD,
           "vocab_size": VOCAB}
reals = {"attention.layer_norm_rms_epsilon": 1e-5, "rope.freq_base": 10000.0}
keys = [text("general.architecture") + struct.pack("<I", 8) + text("bitnet-b1.58")]
keys += [text(f"bitnet-b1.58.{k}") + struct.pack("<II", 4, v) for k, v in numbers.items()]
keys += [text(f"bitnet-b1.58.{k}") + struct.pack("<If", 6, v) for k, v in reals.items()]
head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(keys)
data = b""
for name, dims, (kind, raw) in tensors:
    head += text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, len(data))
    data += raw + bytes(-len(raw) % 32)
with open(out, "wb") as f:
    f.write(head + bytes(-len(head) % 32) + data)
