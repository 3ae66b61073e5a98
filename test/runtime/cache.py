#!/usr/bin/env python3
"""cache.py FAKE FAKE_SLOW OTHER DIR: --prompt-cache changes no bit, and a file with anything wrong is refused.

An independent reader: the layout is written down here a second time, from docs/executable.md.
OTHER is FAKE with another id in code and pack.
"""
import os
import random
import shutil
import signal
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pack  # noqa: E402
import reference  # noqa: E402

fake, slow, other, folder = sys.argv[1:5]
fake, slow, other = map(os.path.abspath, (fake, slow, other))
shutil.rmtree(folder, ignore_errors=True)
os.makedirs(folder)
os.chdir(folder)
failed = 0
BLOCK = 64 * 8  # bytes of 64 positions: fake_model.c keeps 8 a position


def expect(what, ok, detail=""):
    global failed
    print(("ok: " if ok else "FAILED: ") + what, detail if not ok else "")
    failed += not ok


def run(*args, program=fake):
    return subprocess.run([program, *args], capture_output=True, text=True, check=False)


def generate(ids, *args, n=9):
    return run("run", "--tokens", ",".join(map(str, ids)), "-n", str(n), "--ids", "--temp", "0", "--ignore-eos", "-q",
               *args)


def parse(data):
    magic, version, n, size, model_id, weights, code, block = struct.unpack_from("<Q2I5Q", data)
    name, digest = data[56:120], struct.unpack_from("<Q", data, 120)[0]
    ids = struct.unpack_from("<%dI" % n, data, 128)
    at = 128 + (4 * n + 63) // 64 * 64
    return (magic, version, n, size, model_id, weights, block, name.rstrip(b"\0")), ids, data[at:], digest


def rehash(data):
    return data[:120] + struct.pack("<Q", pack.hash64(data[:120] + data[128:])) + data[128:]


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


draw = random.Random(7)
ids = [draw.randrange(297) for _ in range(80)]

# What is in it.
plain = generate(ids, "--logits", "plain.l")
first = generate(ids, "--prompt-cache", "c", "--logits", "first.l")
expect("a file changes no token", plain.stdout == first.stdout and plain.returncode == first.returncode == 0, first)
expect("and no logit", read("plain.l") == read("first.l"))
held = ids + [int(x) for x in first.stdout.split()][:-1]
head, got, state, digest = parse(read("c"))
data_hash = pack.hash64(struct.pack("<%dI" % pack.WEIGHTS, *pack.weights()))
expect("the header", head == (0x4843414355544553, 1, 88, os.path.getsize("c"), pack.ID, data_hash, BLOCK, b"fake"), head)
expect("the tokens: those computed", list(got) == held, got)
want = struct.pack("<88Q", *reference.states(held)).ljust(2 * BLOCK, b"\0")
expect("the caches: only positions that were computed", state == want)
expect("the hash", digest == pack.hash64(read("c")[:120] + read("c")[128:]))

# The same bits, for any part of the file that a prompt has in common with it.
for n in (1, 2, 63, 64, 65, 79, 80, 85, 88, 90, 100):
    for change in (None, 0, 40, 64, 70):
        prompt = (held + list(range(20)))[:n]
        if change is not None:
            if change >= n:
                continue
            prompt[change] = (prompt[change] + 1) % 297
            while 299 in reference.greedy(prompt, 9):  # the token that fake_model.c fails at
                prompt[change] = (prompt[change] + 1) % 297
        fed = n - min(n - 1, 88 if change is None else change)
        generate(prompt, "--logits", "plain.l", "--prompt-cache", "fresh")
        for chunk in ("1", "7", "64"):
            shutil.copy("c", "d")
            done = generate(prompt, "--logits", "d.l", "--prompt-cache", "d", "--chunk", chunk, "-t", "2")
            rows = read("d.l")
            ok = done.returncode == 0 and rows == read("plain.l")[-len(rows):] and len(rows) == 1200 * (fed + 8)
            expect(f"{n} tokens, changed at {change}, chunks of {chunk}: the logits of the {fed} computed", ok, done)
            expect("and the file that a run from nothing writes", read("d") == read("fresh"))
        os.unlink("fresh")

# Read only; signals; a smaller context; an empty file.
before = read("c")
generate(ids[:5], "--prompt-cache", "c", "--prompt-cache-ro")
expect("--prompt-cache-ro leaves it as it is", read("c") == before)
generate(ids[:5], "--prompt-cache", "none", "--prompt-cache-ro")
expect("and makes none", not os.path.exists("none"))
done = generate(ids[:5], "--prompt-cache", "c", "--prompt-cache-ro", "-c", "20")
expect("a context shorter than the file", done.stdout == generate(ids[:5]).stdout and done.returncode == 0, done)
write("empty", b"")
done = generate(ids, "--prompt-cache", "empty")
expect("an empty file is none", read("empty") == before and done.stdout == plain.stdout, done)
p = subprocess.Popen([slow, "run", "--tokens", "1,2", "--ignore-eos", "-n", "100", "--ids", "--prompt-cache", "c"],
                     stdout=subprocess.PIPE, stderr=subprocess.PIPE)
p.stdout.read(6)
p.send_signal(signal.SIGINT)
p.communicate(timeout=20)
expect("a run that is stopped leaves it as it is", p.returncode == 130 and read("c") == before
       and not [n for n in os.listdir(".") if "tmp" in n], p.returncode)
done = run("run", "--tokens", ",".join(map(str, ids[:30])), "--prompt-cache", "c", "-n", "1", "--prompt-cache-ro")
expect("the speed line tells what was not computed", "prompt: 30 tokens (29 from the prompt cache)," in done.stderr, done)


# Files with something wrong: one line, the code, and the file as it was.
def refused(what, data, code, text, program=fake):
    write("bad", data)
    done = run("run", "--tokens", "1,2,3", "-n", "1", "-q", "--prompt-cache", "bad", program=program)
    ok = done.returncode == code and text in done.stderr and done.stderr.count("\n") == 1 and read("bad") == data
    expect(f"{what}: {done.returncode} {done.stderr.strip()}", ok and done.stdout == "", done)


def put(at, form, *values):
    return before[:at] + struct.pack(form, *values) + before[at + struct.calcsize(form):]


for n in [1, 7, 8, 40, 127, 128, 200, len(before) - 1, len(before) - BLOCK]:
    refused(f"cut at {n}", before[:n], 3, "not a prompt cache" if n < 128 else "its size is")
refused("one byte more", before + b"\0", 3, "its size is")
refused("someone's letter", b"Dear Sir or Madam,\n" * 100, 3, "not a prompt cache; nothing was written to it")
refused("magic", rehash(put(0, "<Q", 1)), 3, "not a prompt cache")
refused("version", rehash(put(8, "<I", 2)), 4, "version 2, this executable has 1")
for n in (0, 1, 87, 89, 0x7fffffff, 0xffffffff):
    refused(f"{n} positions", put(12, "<I", n), 3, "a damaged prompt cache")
for size in (0, 1, len(before) + 1, 2 ** 63, 2 ** 64 - 1):
    refused(f"{size} bytes", rehash(put(16, "<Q", size)), 3, "its size is")
refused("another id", rehash(put(24, "<Q", 99)), 3, "its model is 'fake' with id 0000000000000063, this one is 'fake'")
refused("other weights", rehash(put(32, "<Q", 99)), 3, "weights hash 0000000000000063")
refused("other code", rehash(put(40, "<Q", 99)), 3, "with code 0000000000000063")
refused("another executable", before, 3, "another executable: its model is 'fake' with id 5eed5eed5eed5eed", other)
for size in (0, 511, 513, 2 ** 63, 2 ** 64 - 1):
    refused(f"blocks of {size}", rehash(put(48, "<Q", size)), 3, "the size of a block")
refused("a name without end", rehash(put(56, "<64s", b"x" * 64)), 3, "its model's name")
refused("hash", put(120, "<Q", 1), 3, "its hash is")
refused("a token outside the vocabulary", rehash(put(128, "<I", 300)), 3, "a token is 300")
refused("bytes behind the tokens", rehash(put(128 + 4 * 88, "<I", 3)), 3, "a byte behind its tokens is 3")
for at in sorted(draw.sample(range(128, len(before)), 60)):
    refused(f"a bit at {at}", before[:at] + bytes([before[at] ^ 1 << draw.randrange(8)]) + before[at + 1:], 3, "damaged")
os.mkdir("folder")
done = run("run", "--tokens", "1", "--prompt-cache", "folder")
expect("a folder", done.returncode == 5 and "folder: cannot be opened" in done.stderr, done)
done = run("run", "--tokens", "1", "--prompt-cache", "/dev/null")
expect("a device", done.returncode == 5 and "a regular file" in done.stderr, done)
sys.exit(1 if failed else 0)
