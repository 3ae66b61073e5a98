"""together.py SETUN ROOT CHECKPOINT DIR HOST OTHER OTHER-GCC: outputs of several targets appear together or not at all.

Whatever fails for the second target -- a write, a full disk, its linker, an interrupt, its output's name -- the old outputs
of both stay, and nothing is left beside them.
"""
import os
import pathlib
import resource
import signal
import subprocess
import sys

setun, root, checkpoint, top, host, other, other_gcc = sys.argv[1:]
root, top = pathlib.Path(root), pathlib.Path(top)
MODEL = [str(root / "models/bitnet-b1.58.stn"), "--weights", checkpoint, "-q", "--target", f"{host},{other}"]
OLD = {f"exe.{host}": b"one old output", f"exe.{other}": b"another"}


def fail(*what):
    print("FAILED:", *what)
    sys.exit(1)


def build(name, *flags, old=True, env=None, out="exe", limit=None):
    """Exit code, what it said, and the files in the folder."""
    folder = top / name
    folder.mkdir(parents=True)
    for file, text in OLD.items() if old is True else old.items() if old else ():
        (folder / file).write_bytes(text)
    # Temporaries of the linker lie elsewhere, so that a limit of the outputs' size is not theirs.
    done = subprocess.run([setun, "build", *MODEL, *flags, "-o", str(folder / out)], check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, env={**os.environ, **(env or {})},
                          preexec_fn=lambda: limit and resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    return done.returncode, done.stdout, {p.name: p.read_bytes() for p in folder.iterdir()}


def expect(what, done, code, old, *words):
    if done[0] != code or done[2] != old:
        fail(what, f"exit {done[0]}, left", {k: len(v) for k, v in done[2].items()}, "\n" + done[1])
    for word in words:
        if word not in done[1]:
            fail(what, f"does not say '{word}':\n" + done[1])


def every_write():
    """Texts of IR are quick to make, and are written and named like all outputs."""
    for old in (OLD, {}):
        n = 0
        while True:
            n += 1
            done = build(f"write-{len(old)}-{n}", "--emit", "sir", old=old, env={"SETUN_FAIL_WRITE": f"{n},ENOSPC"})
            if done[0] == 0:
                break
            expect(f"write {n}", done, 6, old)
        if n != 7 or set(done[2]) != set(OLD) or b"one old output" in done[2].values():
            fail("a write, a sync and a rename of each output:", n, list(done[2]))


def wrapper(name, text):
    folder = top / name
    folder.mkdir()
    path = folder / os.path.basename(other_gcc)
    path.write_text("#!/bin/sh\n" + text, encoding="utf-8")
    path.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def second_fails():
    bad = wrapper("bad", "echo cannot do that; exit 1\n")
    expect("no linker", build("linker", env=bad), 5, OLD, "could not link the executable: cannot do that")
    old = {"libm." + host + ".a": b"1", "m." + host + ".h": b"2", "libm." + other + ".a": b"3"}
    expect("no linker", build("library", "--emit", "lib", old=old, env=bad, out="libm.a"), 5, old, "cannot do that")
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        kill = wrapper(f"kill-{int(number)}", f"kill -{int(number)} $PPID; sleep 60\n")
        expect(f"signal {number}", build(f"signal-{int(number)}", env=kill), code, OLD)


def full_disk():
    """The larger one, built last, does not fit; its linker writes less than that."""
    done = build("whole")
    size = {name: len(data) for name, data in done[2].items()}
    small, big = sorted(size, key=size.get)
    if done[0] or size[small] == size[big]:
        fail("whole:", done[0], done[1], size)
    order = ",".join(name.split(".", 1)[1] for name in (small, big))
    done = build("full", "--target", order, limit=size[big] - 1)
    expect("no room", done, 6, OLD, big + ": error: cannot write: File too large")


def one_file():
    folder = top / "same"
    folder.mkdir()
    (folder / f"exe.{host}").write_bytes(b"old")
    (folder / f"exe.{other}").symlink_to(f"exe.{host}")
    done = subprocess.run([setun, "build", *MODEL, "--emit", "sir", "-o", str(folder / "exe")], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 2 or "two outputs would be this one file [output-twice]" not in done.stdout or \
            (folder / f"exe.{host}").read_bytes() != b"old" or len(list(folder.iterdir())) != 2:
        fail("one file:", done.returncode, done.stdout, list(folder.iterdir()))


every_write()
second_fails()
full_disk()
one_file()
print("both or neither")
