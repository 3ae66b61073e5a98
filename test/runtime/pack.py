#!/usr/bin/env python3
"""Puts a pack behind the executable of fake_model.c, whole or broken.

    pack.py ELF OUT [--break KIND]      KIND: see BREAKS below

An independent writer: layouts and hash are written down here a second time, from runtime/abi.h.
"""
import argparse
import functools
import os
import re
import struct

ID = 0x5EED5EED5EED5EED
ALIGN = 65536
WEIGHTS = 65536
M64 = (1 << 64) - 1
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
MERGES = [(b"t", b"h"), (b"th", b"e"), (b" ", b"the"), (b"h", b"e"), (b"l", b"l"), (b"he", b"ll"), (b"hell", b"o"),
          (b"o", b"r"), (b" ", b"w"), (b" w", b"or"), (b"a", b"a"), (b"aa", b"aa"), (b"\xc3", b"\xa9")]
SPECIALS = {297: b"<|start|>", 298: b"<|end|>", 299: b"<|bad|>"}
CHAT = (b"{% for m in messages %}<|start|>{{ m.role }}\n{{ m.content }}<|end|>{% endfor %}"
        b"{% if add_generation_prompt %}<|start|>assistant\n{% endif %}")
N_TOKENS = 300
NONE = 0xFFFFFFFF


@functools.lru_cache(maxsize=None)
def hash64(data):
    def mix(h, w):
        h = ((h ^ w) * 0x9E3779B97F4A7C15) & M64
        return h ^ (h >> 29)

    lane = [1, 2, 3, 4]
    n = len(data)
    data += bytes(-n % 32)
    for i, w in enumerate(struct.unpack("<%dQ" % (len(data) // 8), data)):
        lane[i % 4] = mix(lane[i % 4], w)
    h = n
    for x in lane:
        h = mix(h, x)
    return h


@functools.lru_cache(maxsize=None)
def weights():
    """65536 words: a linear congruential sequence."""
    out, x = [], 12345
    for _ in range(WEIGHTS):
        x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
        out.append(x)
    return out


def vocabulary():
    text = [bytes([b]) for b in range(256)]
    text += [a + b for a, b in MERGES]
    text += [b""] * (297 - len(text))
    return text + [SPECIALS[i] for i in (297, 298, 299)]


def tokenizer(flags=2, pattern=LLAMA3, broken=None):
    text = vocabulary()
    ids = {t: i for i, t in reversed(list(enumerate(text)))}
    merges = sorted((ids[a], ids[b], rank, ids[a + b]) for rank, (a, b) in enumerate(MERGES))
    order = sorted(range(N_TOKENS), key=lambda i: (text[i], i))
    specials = sorted(SPECIALS, key=lambda i: -len(SPECIALS[i]))
    index, blob = [0], b""
    for t in text:
        blob += t
        index.append(len(blob))
    if broken == "tok-index":
        index[5], index[6] = index[6], index[5]
    if broken == "tok-sorted":
        order[10], order[11] = order[11], order[10]
    if broken == "tok-merges":
        merges[2], merges[3] = merges[3], merges[2]
    if broken == "tok-merge-id":
        merges[3] = merges[3][:3] + (5000,)
    if broken == "tok-merge-text":
        merges[3] = merges[3][:3] + (257,)
    if broken == "tok-special":
        specials[1] = 300
    if broken == "tok-pattern":
        pattern = "(unclosed"
    byte_token = list(range(256))
    byte_token[0] = NONE  # so that a text can have a byte without a token
    if broken == "tok-byte":
        byte_token[7] = 8
    attrs = bytes(3 if i in SPECIALS else 0 for i in range(N_TOKENS))
    at = 1152  # sizeof(struct setun_tok)
    parts, offset = b"", {}
    for name, data in (("index", struct.pack("<%dI" % len(index), *index)),
                       ("merges", b"".join(struct.pack("<4I", *m) for m in merges)),
                       ("sorted", struct.pack("<%dI" % len(order), *order)),
                       ("specials", b"".join(struct.pack("<4I", i, 0, 0, 0) for i in specials)),
                       ("steps", bytes(24)), ("attrs", attrs), ("bytes", blob), ("pattern", pattern.encode())):
        offset[name] = at + len(parts)
        parts += data
    found = b"".join(struct.pack("<4I", i, 0, offset["bytes"] + index[min(i, 299)], len(text[min(i, 299)]))
                     for i in specials)
    size = len(pattern.encode())
    steps = struct.pack("<6I", 14, 7 if broken == "tok-step" else 1, offset["pattern"],
                        size + 1 if broken == "tok-pattern-end" else size, 0, 0)
    steps = steps[:16] + struct.pack("<2I", offset["bytes"], 0)
    for name, data in (("specials", found), ("steps", steps)):
        begin = offset[name] - at
        parts = parts[:begin] + data + parts[begin + len(data):]
    if broken == "tok-offset":
        offset["merges"] = 0xFFFFFF00
    head = struct.pack("<12I", 0x32544F53, 7 if broken == "tok-kind" else 1, flags, N_TOKENS, len(merges),
                       len(specials), 9 if broken == "tok-eos" else 1, 0, 1 if size else 0,
                       300 if broken == "tok-bos" else 297, 298, 300 if broken == "tok-unknown" else NONE)
    head += struct.pack("<8I", 298, *[0] * 7) + struct.pack("<256I", *byte_token)
    head += struct.pack("<10I", offset["steps"], offset["index"], offset["bytes"], len(blob), offset["attrs"],
                        offset["sorted"], offset["merges"], 0, offset["specials"], 0) + struct.pack("<d", 0)
    assert len(head) == 1152
    return head + parts


def chat_section(broken):
    """struct setun_chat and its texts."""
    texts = [CHAT, SPECIALS[297], SPECIALS[298], b"never said"]
    at, spans = 184, b""
    for t in texts:
        spans += struct.pack("<2I", at, len(t))
        at += len(t)
    if broken == "chat-text":
        spans = struct.pack("<2I", at, 1) + spans[8:]
    head = struct.pack("<4I", 7 if broken == "chat-magic" else 0x31544843, 1, 1, 0)
    head += struct.pack("<4I", 300 if broken == "chat-token" else 298, 0, 0, 0)
    return head + spans.ljust(24 + 128, b"\0") + b"".join(texts)


def tensors(broken):
    names = [b"embed", b"body.wq"]
    at = 80 * len(names)
    out = b""
    place = at
    for i, name in enumerate(names):
        stride = 0xFFFFFFFFFFFFFFFF if broken == "tensor" else 1024
        out += struct.pack("<3Q12IQ", i * 4096, stride, 8192, place, len(name), i * 2, 1 - i if i == 0 else 0, 4 * i, 2,
                           300, 16, 0, 0, i, 0, 0)
        place += len(name)
    return out + b"".join(names)


def pad(data, n):
    return data + bytes(-len(data) % n)


def pack(broken, elf, flags=2, pattern=LLAMA3, ident=ID, chat=False):
    data = struct.pack("<%dI" % WEIGHTS, *weights())
    sections = [b"model fake;\n", b"layers = 1\nhidden = 16\n", b"func @generate\n",
                b"" if broken == "no-tokenizer" else tokenizer(flags, pattern, broken),
                chat_section(broken) if chat or (broken or "").startswith("chat-") else b"", tensors(broken),
                b"Licences of what is inside.\n"]
    size = 56 + 16 * len(sections)
    body, spans, at = b"", [], (size + 63) // 64 * 64
    for s in sections:
        spans.append([at, len(s)])
        body += pad(s, 64)
        at += len(pad(s, 64))
    data_offset = (at + ALIGN - 1) // ALIGN * ALIGN
    data_span = [data_offset, len(data)]
    if broken == "data-span":
        data_span[1] = 1 << 62
    if broken == "section-span":
        spans[2][0] = M64 - 63
    if broken == "section-overlap":
        spans[3][0] = spans[2][0]
    hashed = struct.pack("<2Q", *data_span) + b"".join(struct.pack("<2Q", *s) for s in spans)
    hashed += bytes(-size % 64) + body
    end = spans[-1][0] + spans[-1][1]
    hashed = hashed[:end - 40]  # the field `data` is at 40
    header_hash = hash64(hashed) ^ (broken == "header-hash")
    ident ^= broken == "id"
    head = struct.pack("<Q2I3Q", 0x4B43415055544554 if broken == "magic" else 0x4B43415055544553,
                       1 if broken == "abi" else 3, 6 if broken == "sections" else 7, ident, header_hash, hash64(data))
    out = head + hashed
    if broken == "header":
        out = out[:200] + bytes([out[200] ^ 1]) + out[201:]
    if broken == "data":
        data = data[:1000] + bytes([data[1000] ^ 1]) + data[1001:]
    out = out.ljust(data_offset, b"\0") + data
    elf = pad(elf, ALIGN)
    footer = struct.pack("<8Q", 0x544F4F4655544553, len(elf) + (4096 if broken == "footer-offset" else 0),
                         M64 - 65536 if broken == "footer-bytes" else len(out), ident, 0, 0, 0, 0)
    if broken == "no-pack":
        return elf
    if broken == "footer-magic":
        footer = b"x" + footer[1:]
    whole = elf + out + footer
    return whole[:-100000] if broken == "cut" else whole


BREAKS = sorted(set(re.findall(r'broken == "([a-z-]+)"', open(__file__).read())) - {"no-tokenizer"})


def main():
    p = argparse.ArgumentParser()
    p.add_argument("elf")
    p.add_argument("out")
    p.add_argument("--break", dest="broken")
    p.add_argument("--pattern", default=LLAMA3)
    p.add_argument("--chat", action="store_true", help="with the chat template CHAT")
    p.add_argument("--id", type=int, default=ID)
    p.add_argument("--tok-flags", type=int, default=2)
    o = p.parse_args()
    with open(o.elf, "rb") as f:
        elf = f.read()
    with open(o.out, "wb") as f:
        f.write(pack(o.broken, elf, o.tok_flags, o.pattern, o.id, o.chat))
    os.chmod(o.out, 0o755)


if __name__ == "__main__":
    main()
