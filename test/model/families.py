"""families.py FOLDER [NAME ...]: each family's checkpoint through `setun build PATH`, beside the recorded logits.

The page must be the family's, chosen by names and tensors.  Logits, teacher-forced, hold the margins of
test/ref/forward.py.  A vector of a text is compared at several lengths: cosine at least 0.9999, largest difference at most
1e-2 of the largest element.
"""
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "ref"))

import numpy as np

from families import FAMILIES, tokens, write
from forward import compare

RECORDED = pathlib.Path(__file__).resolve().parent.parent / "ref" / "recorded"
LENGTHS = (1, 2, 9, 20, 32)


def run(*args):
    return subprocess.run([str(a) for a in args], check=True, capture_output=True)


def build(folder, name):
    """The executable, or None: another page was taken."""
    write(folder / name, name)
    said = run("setun", "build", folder / name, "-o", folder / (name + ".exe")).stderr.decode()
    page = said.splitlines()[0].split()[1]
    if page != FAMILIES[name].page:
        print(f"{name}: taken as {page}, is of {FAMILIES[name].page}")
        return None
    return folder / (name + ".exe")


def check_logits(exe, ids, recorded):
    out = exe.with_suffix(".logits")
    run(exe, "run", "--tokens", ",".join(map(str, ids)), "-n", "1", "--temp", "0", "--ids", "-q", "--logits", out)
    ours = np.fromfile(out, "<f4").reshape(-1, recorded.shape[1])[: len(ids)]
    return len(ours) == len(ids) and compare(recorded, ours)


def check_vectors(exe, ids, recorded):
    ok = True
    for n in LENGTHS:
        raw = run(exe, "embed", "--tokens", ",".join(map(str, ids[:n])), "-o", "raw", "-q").stdout
        ours, theirs = np.frombuffer(raw, "<f4"), recorded[n - 1]
        cosine, worst = float(ours @ theirs), np.abs(ours - theirs).max() / np.abs(theirs).max()
        print(f"{n:3} tokens: cosine {cosine:.7f}  largest difference {worst:.2e} of the largest element")
        ok &= cosine >= 0.9999 and worst <= 1e-2
    return ok


def main():
    folder = pathlib.Path(sys.argv[1])
    bad = []
    for name in sys.argv[2:] or FAMILIES:
        ids = tokens(name)
        recorded = np.fromfile(RECORDED / f"{name}.f32", "<f4").reshape(len(ids), -1)
        print(name)
        exe = build(folder, name)
        check = check_vectors if name.endswith("-embedding") else check_logits
        if not exe or not check(exe, ids, recorded):
            bad.append(name)
    print("bad:", ", ".join(bad) or "none")
    sys.exit(bool(bad))


main()
