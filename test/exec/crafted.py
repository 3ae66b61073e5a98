"""Executables whose IR a stranger wrote: inspect, convert and verify refuse it with one error.

    crafted.py MODELS RUNTIME_TESTS FOLDER
"""
import re
import struct
import subprocess
import sys

models, runtime_tests, folder = sys.argv[1:]
sys.path.insert(0, runtime_tests)
from pack import hash64  # noqa: E402  (an independent hash: runtime/abi.h written down a second time)

SPANS, IR = 40, 2  # of the pack: where (offset, bytes) of data and then of sections begin, and the IR's section
DOUBLINGS = "".join(f"    %v{i + 1} = add %v{i}, %v{i} : f32[T, 8]\n" for i in range(60))
OTHER = "module m {context = 16, vocab = 16, max_rows = 4}\n"
CASES = {
    "a weight with fewer layers": (lambda t: t.replace("@body.wk : trit[2, 32, 256] layers 4", "@body.wk : trit[2, 32, 256] layers 3"), "rule V10"),
    "a state with more layers": (lambda t: t.replace("@body.v : cache<f16>[2, 32] layers 4", "@body.v : cache<f16>[2, 32] layers 5"), "rule V10"),
    "all with more layers": (lambda t: t.replace("layers 4", "layers 9"), "its weights do not fit its IR"),
    "sizes that pass 64 bits": (lambda t: OTHER + "weight @w : trit[1048576, 1048576] layers 65536 scale row\n", "rule V11"),
    "a state without an axis": (lambda t: OTHER + "state @k : cache<i8>[]\n", "expected a state of rank 1 or more"),
    "steps of no rows": (lambda t: t.replace("max_rows = 128", "max_rows = 0"), "expected 1 to 1024 rows in a step"),
    "tokens without rows": (lambda t: t.replace("vocab = 1024", "vocab = 1025"), "rule embed.2"),
    "a region of doublings": (lambda t: OTHER + "weight @w : f32[8, 8]\nfunc @f(%rows: rows[T], %v0: f32[T, 8]) {\n  %y = kernel : f32[T, 8] {\n"
                              + DOUBLINGS + "    %d = dot %v60, @w : f32[T, 8]\n    yield %d\n  }\n  ret %y\n}\n", "its weights do not fit its IR|the model has no entry"),
}


def crafted(whole, change):
    """The same executable with another IR, which is no longer, and the hash that belongs to it."""
    at = struct.unpack("<8Q", whole[-64:])[1]
    spans = struct.unpack_from("<16Q", whole, at + SPANS)
    start, length = spans[2 + 2 * IR], spans[3 + 2 * IR]
    old = whole[at + start:at + start + length].decode()
    new = change(old)
    if new == old or len(new) > len(old):
        sys.exit(f"the case changes nothing, or there is no room for it: {old[:400]}")
    out = bytearray(whole)
    out[at + start:at + start + length] = new.ljust(length, "\n").encode()
    end = spans[-2] + spans[-1]
    struct.pack_into("<Q", out, at + 24, hash64(bytes(out[at + SPANS:at + end])))
    return bytes(out)


def run(*command):
    return subprocess.run(["timeout", "60", *command], capture_output=True, text=True, check=False)


def refused(exe, command, words, name):
    done = run("setun", *command)
    errors = re.findall(r"\berror: ", done.stderr)
    if done.returncode not in (3, 4) or not re.search(words, done.stderr) or len(errors) != 1:
        sys.exit(f"{name}: {command[0]} ends with {done.returncode}, expected '{words}': {done.stderr}{done.stdout[-300:]}")


exe = f"{folder}/exe"
built = run("setun", "build", f"{models}/shakespeare", "-q", "-o", exe)
if built.returncode:
    sys.exit(built.stderr)
with open(exe, "rb") as f:
    good = f.read()


def write(change):
    with open(exe, "wb") as f:
        f.write(crafted(good, change))


ALL = (["inspect", exe], ["convert", exe, "--to", "hf_u8", "-o", f"{folder}/x.safetensors"], ["verify", exe])
write(lambda t: t.replace("key = k", "key = j"))  # a change that matters to nobody
for one in ALL:
    if (done := run("setun", *one)).returncode:
        sys.exit(f"{one[0]} ends with {done.returncode}: {done.stderr}")
for what, (change, said) in CASES.items():
    write(change)
    for one in ALL:
        refused(exe, one, said, what)
write(lambda t: t.replace("vocab = 1024", "vocab = 0"))
refused(exe, ALL[2], "its IR has no vocabulary", "no tokens")
print(f"{len(CASES) + 1} IRs refused")
