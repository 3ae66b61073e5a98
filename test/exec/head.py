"""head.py SETUN MODELS FOLDER: executables with a screened head against those with a whole one."""
import filecmp
import os
import pathlib
import shutil
import subprocess
import sys

setun, models, folder = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
PAGE = models / "bitnet-b1.58.stn"
SYNTH = ["vocab=5000", "hidden=100", "ffn=96", "layers=2", "heads=4", "kv_heads=2", "head=26", "context=600"]
SETTINGS = [["--temp", "0"],
            ["--temp", "0", "--repeat-penalty", "1.3"],
            [],  # the defaults: top-k, top-p, min-p
            ["--top-k", "20", "--top-p", "1", "--min-p", "0", "--temp", "1.5"],
            ["--top-k", "0", "--top-p", "1", "--min-p", "0"],
            ["--top-k", "0", "--top-p", "1", "--min-p", "0.3", "--temp", "2", "--repeat-penalty", "1.5"],
            ["--top-k", "0", "--top-p", "0.9"],  # wants all logits
            ["--top-k", "30", "--repeat-penalty", "0.8", "--repeat-last-n", "500"]]


def run(*words, env=None, **more):
    done = subprocess.run([str(w) for w in words], capture_output=True, check=False, env={**os.environ, **(env or {})}, **more)
    if done.returncode:
        sys.exit(f"{words} ended with {done.returncode}: {done.stderr.decode()}")
    return done


def build(weights, name, *flags):
    run(setun, "build", PAGE, "--weights", weights, "-o", folder / name, "-q", "--rows", "16", *flags)
    return folder / name


def tokens(exe, *flags, n=256, **more):
    return run(exe, "run", "--tokens", "5,17,3", "-n", n, "--ids", "--ignore-eos", *flags, **more)


def same(what, a, b):
    if a != b:
        sys.exit(f"{what}: {a[:200]} and {b[:200]}")


def compare(screened, full):
    said = set()
    for i, setting in enumerate(SETTINGS):
        a = tokens(screened, *setting, "--seed", i)
        b = tokens(full, *setting, "--seed", i)
        same(f"{screened.name} {setting}", a.stdout, b.stdout)
        same(f"{screened.name} {setting} --full-head", tokens(screened, *setting, "--seed", i, "--full-head").stdout, b.stdout)
        speaks = b"logits computed a token" in a.stderr
        if speaks == ("0.9" in setting) or b"logits computed" in b.stderr:
            sys.exit(f"{setting}: {a.stderr.decode()}")
        said.add(a.stderr.split(b"head: ")[-1] if speaks else b"")
    print(screened.name, sorted(said))
    # every level and more threads than rows to share
    plain = tokens(full, n=64).stdout
    for level in [line.split()[0] for line in run(setun, "levels").stdout.decode().splitlines()][-2:]:
        done = subprocess.run([screened, "run", "--tokens", "5,17,3", "-n", "64", "--ids", "--ignore-eos", "-t", "3"], check=False,
                              capture_output=True, env={**os.environ, "SETUN_CPU": level})
        if done.returncode != 9:  # the machine lacks the level
            same(level, done.stdout, plain)


def files(screened, full):
    """What wants all logits gets them."""
    for kind, flags in (("logits", ["run", "--tokens", "5,17,3", "-n", "20", "--ids", "--logits"]),
                        ("trace", ["run", "--tokens", "5,17,3", "-n", "20", "--ids", "--trace"]),
                        ("ppl", ["ppl", "--tokens", ",".join(str(i * 7 % 900) for i in range(80)), "--logits"])):
        a, b = folder / f"a.{kind}", folder / f"b.{kind}"
        same(kind, run(screened, *flags, a).stdout, run(full, *flags, b).stdout)
        if not filecmp.cmp(a, b, shallow=False):
            sys.exit(f"{kind}: files differ")
    for exe, flags, speaks in ((screened, [], True), (screened, ["--full-head"], False), (full, [], False)):
        said = run(exe, "bench", "-p", "0", "-n", "3", "-r", "1", "-t", "1", *flags).stderr
        if (b"logits computed a token" in said) != speaks:
            sys.exit(f"bench {flags}: {said.decode()}")
    run(setun, "verify", screened)
    run(screened, "selftest")
    # a prompt cache: the second run goes on from the first
    cache = folder / "cache"
    whole = tokens(full, n=60).stdout.split()
    first = tokens(screened, "--prompt-cache", cache, n=30).stdout
    ids = first.decode().strip().replace(" ", ",")
    more = run(screened, "run", "--tokens", "5,17,3," + ids, "-n", "30", "--ids", "--ignore-eos", "--prompt-cache", cache).stdout
    same("prompt cache", (first.decode().split() + more.decode().split()), [w.decode() for w in whole])


def main():
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    bundled = models / "shakespeare"
    pair = build(bundled, "small", "--head", "screened", "--cpu", "portable"), build(bundled, "small.full")
    compare(*pair)
    files(*pair)
    chat = [run(e, "chat", "-p", "Who goes there?", "-n", "40", "--template", folder / "t").stdout for e in pair] if template() else []
    same("chat", chat[:1], chat[1:])
    listed = run(pair[0], "info", "--tensors").stdout
    if b"int8 rows of a screen at" not in listed or b"screen" in run(pair[1], "info", "--tensors").stdout:
        sys.exit(f"info: {listed.decode()}")
    run(setun, "synth", PAGE, *[w for s in SYNTH for w in ("--set", s)], "-o", folder / "synth")
    compare(build(folder / "synth", "synth.exe", "--head", "screened", "--cpu", "portable"), build(folder / "synth", "synth.full", "--head", "full"))
    # a step of two rows has no room for intervals
    narrow = build(bundled, "narrow", "--head", "screened", "--rows", "2")
    if b"screen" in run(narrow, "info", "--tensors").stdout:
        sys.exit("--rows 2: a screen")
    print("all the same")


def template():
    (folder / "t").write_text("{% for m in messages %}{{ m.content }}\n{% endfor %}")
    return True


main()
