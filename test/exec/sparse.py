"""sparse.py SETUN PAGE OUT: the page of Q-Sparse as executables against the interpreter, bit for bit: every level of this
machine, 1 to 3 threads, prompts in steps of 1, 7 and all rows, every core.  Shares in every place, blocks with a short
tail, more kept than there are nonzeros; and with everything kept the bits are those of the same text without any choice.
"""
import itertools
import os
import re
import subprocess
import sys

setun, page, out = sys.argv[1:]
SIZE = dict(vocab=300, hidden=72, ffn=131, layers=2, heads=3, kv_heads=1)
TOKENS = "3,7,1,297,0,12,12,250,9,30,31"
VARIANTS = {
    "shares": dict(keep="2/5", keep_down="1/5"),
    "one": dict(keep="1/131"),
    "most": dict(keep="0.97", keep_down="9/10"),
    "blocks": dict(keep="1/2", block=32),
    "odd": dict(keep="1/3", block=7),
    "all": dict(keep="1.0"),
}


def call(*args, **kw):
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, **kw)
    if done.returncode:
        sys.exit(f"{args}: {done.returncode}\n{done.stderr}")
    return done.stdout


def sets(values):
    return [x for k, v in values.items() for x in ("--set", f"{k}={v}")]


def logits(run, name, *flags, env=None):
    path = f"{out}/{name}.logits"
    ids = call(*run, "--tokens", TOKENS, "-n", 3, "--temp", 0, "--ids", "-q", "--logits", path, *flags, env=env)
    with open(path, "rb") as f:
        return ids, f.read()


def cores():
    """As the command lists them."""
    told = subprocess.run([setun, "build", page, "--core", "?", "-o", "-"], capture_output=True, text=True).stderr
    return re.search(r"--core takes (.*), or auto", told)[1].split(", ")


os.makedirs(out, exist_ok=True)
dense = f"{out}/dense.stn"
with open(page) as f, open(dense, "w") as g:
    text = f.read()
    assert "topk(x, share)" in text
    g.write(text.replace("topk(x, share, block)", "x").replace("topk(x, share)", "x"))


def try_all(exe, what, ways):
    global failed, runs
    for level, t, chunk in ways:
        env = {**os.environ, "SETUN_CPU": level} if level else None
        runs += 1
        if logits([exe, "run"], "have", "-t", t, "--chunk", chunk, env=env) != want:
            failed += 1
            print(f"{what}: {level or 'best level'}, {t} threads, steps of {chunk} rows: other bits")


failed = runs = 0
BASE = call(setun, "levels").splitlines()[-1].split()[0]
FEW = [(level, t, chunk) for level in (None, BASE) for t, chunk in ((1, 1), (2, 7), (3, 64))]
for name, values in VARIANTS.items():
    weights, exe = f"{out}/{name}", f"{out}/{name}.exe"
    call(setun, "synth", page, *sets({**SIZE, **values}), "-o", weights)
    model = dense if name == "all" else page
    want = logits([setun, "run", model, "--weights", weights, "--interp"], "want")
    call(setun, "build", page, "--weights", weights, "-o", exe)
    try_all(exe, name, itertools.product([None, BASE], (1, 2, 3), (1, 7, 64)) if name == "odd" else FEW)
    for core in cores() if name == "shares" else []:
        call(setun, "build", page, "--weights", weights, "--core", core, "-o", exe)
        try_all(exe, f"{name}, {core}", FEW)
print(f"{runs} runs of {len(VARIANTS)} models")
sys.exit(failed > 0)
