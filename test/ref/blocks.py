"""Real tensors in blocks (GGUF's Q8_0, Q6_K, Q4_0, Q4_K) to float32: decoders of the evaluator's own.

Blocks come as an array [n, bytes] of uint8; values go out as [n, elements].
"""
import numpy as np

F32 = np.float32


def half(raw, at):
    return np.ascontiguousarray(raw[:, at:at + 2]).view(np.float16).astype(F32)


def nibbles(b):
    return b & 15, b >> 4


def q8_0(raw):
    return half(raw, 0) * raw[:, 2:].view(np.int8).astype(F32)


def q4_0(raw):
    low, high = nibbles(raw[:, 2:])
    return half(raw, 0) * (np.concatenate([low, high], axis=1).astype(F32) - F32(8))


def q4_k(raw):
    s = raw[:, 4:16].astype(np.int64)
    scales = np.concatenate([s[:, :4] & 63, s[:, 8:] & 15 | s[:, :4] >> 6 << 4], axis=1).astype(F32)
    offsets = np.concatenate([s[:, 4:8] & 63, s[:, 8:] >> 4 | s[:, 4:8] >> 6 << 4], axis=1).astype(F32)
    pairs = raw[:, 16:].reshape(-1, 4, 32)
    q = np.stack(nibbles(pairs), axis=2).reshape(-1, 8, 32).astype(F32)
    values = (half(raw, 0) * scales)[:, :, None] * q - (half(raw, 2) * offsets)[:, :, None]
    return values.reshape(-1, 256)


def q6_k(raw):
    low = raw[:, :128].reshape(-1, 2, 2, 32)  # halves of the block, halves of their low bits
    high = raw[:, 128:192].reshape(-1, 2, 1, 32)
    four = np.concatenate(nibbles(low), axis=2)  # [n, 2, 4, 32]
    two = high >> np.array([0, 2, 4, 6], dtype=np.uint8)[:, None] & 3
    q = (four | two << 4).astype(np.int64) - 32
    scale = raw[:, 192:208].view(np.int8).astype(F32) * half(raw, 208)
    return (scale.reshape(-1, 16, 1) * q.reshape(-1, 16, 16).astype(F32)).reshape(-1, 256)


# name -> elements, bytes, decoder
FORMATS = {"q8_0": (32, 34, q8_0), "q6_k": (256, 210, q6_k), "q4_0": (32, 18, q4_0), "q4_k": (256, 144, q4_k)}


def decode(name, raw):
    return FORMATS[name][2](np.ascontiguousarray(raw))
