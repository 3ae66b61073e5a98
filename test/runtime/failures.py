#!/usr/bin/env python3
"""failures.py FAKE FAKE_SLOW DIR: signals, readers that go away, full devices; nothing half-written stays."""
import os
import resource
import signal
import subprocess
import sys
import time

fake, slow, folder = sys.argv[1:4]
os.makedirs(folder, exist_ok=True)
for name in os.listdir(folder):
    os.unlink(os.path.join(folder, name))
os.chdir(folder)
failed = 0


def expect(what, ok, detail=""):
    global failed
    print(("ok: " if ok else "FAILED: ") + what, detail if not ok else "")
    failed += not ok


def start(program, *args, **more):
    return subprocess.Popen([program, "run", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


def interrupted(number, times, *args):
    """Lets it print a little, then signals."""
    p = start(slow, "--tokens", "1", "-n", "100", "--ids", "--ignore-eos", *args)
    head = p.stdout.read(6)
    for _ in range(times):
        p.send_signal(number)
    out, err = p.communicate(timeout=20)
    return p.returncode, head + out, err


code, out, err = interrupted(signal.SIGINT, 1, "--logits", "l", "--trace", "t")
expect("SIGINT ends with 130 and whole ids", code == 130 and out.endswith(b"\n") and len(out.split()) > 1, (code, out, err))
expect("no file is left after it", os.listdir(".") == [], os.listdir("."))
code, out, err = interrupted(signal.SIGTERM, 1)
expect("SIGTERM ends with 143", code == 143 and out.endswith(b"\n"), (code, out, err))
open("l", "w").write("old")
code, out, err = interrupted(signal.SIGINT, 2, "--logits", "l", "--trace", "t")
expect("two signals leave the old file and no other", code == 130 and os.listdir(".") == ["l"]
       and open("l").read() == "old", (code, os.listdir(".")))

p = start(fake, "-f", "-", "-n", "1", stdin=subprocess.PIPE)
time.sleep(0.3)
p.send_signal(signal.SIGINT)
expect("SIGINT while waiting for the prompt", p.wait(timeout=10) == 130, p.returncode)
p.stdin.close()

p = start(slow, "--tokens", "1", "-n", "100", "--ids")
p.stdout.read(4)
p.stdout.close()
err = p.stderr.read()
expect("a reader that goes away ends it quietly", p.wait(timeout=10) == 5 and err == b"", (p.returncode, err))


def run(*args, limit=None, out=subprocess.PIPE):
    def before():
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    return subprocess.run([fake, *args], stdout=out, stderr=subprocess.PIPE, text=True, preexec_fn=before)


def one_line(done, code, text):
    return done.returncode == code and text in done.stderr and done.stderr.count("\n") == 1


with open("/dev/full", "w") as full:
    d = run("run", "--tokens", "1,2", "-n", "5", "-q", out=full)
    expect("standard output full", one_line(d, 6, "standard output: write failed: No space left"), d)
    d = run("info", out=full)
    expect("standard output full, info", one_line(d, 6, "standard output: write failed: No space left"), d)
d = run("run", "--tokens", "1,2", "-n", "5", "--logits", "/dev/full", "-q")
expect("logits to a full device", one_line(d, 6, "/dev/full: write failed"), d)
d = run("run", "--tokens", "1,2", "-n", "5", "--trace", "/dev/full", "-q")
expect("trace to a full device", one_line(d, 6, "/dev/full: write failed"), d)
for limit in (0, 100, 1000, 1200, 2000, 3000):
    for flag in ("--logits", "--trace"):
        d = run("run", "--tokens", "1,2,3,4,5", "-n", "3", flag, "l", "-q", limit=limit)
        kept = os.listdir(".") == ["l"] and open("l", "rb").read() == b"old"
        expect(f"{flag}, file size limit {limit}", one_line(d, 6, "l: write failed: File too large") and kept, d)
d = run("run", "--tokens", "1,2", "-n", "5", "--logits", "none/l", "-q")
expect("no such folder", one_line(d, 5, "none/l: cannot be created: No such file or directory"), d)
d = run("run", "--tokens", "1,2", "-n", "5", "--logits", ".", "-q")
expect("a folder instead of a file", one_line(d, 5, ".: cannot be opened: Is a directory"), d)
d = run("run", "--tokens", "299", "--logits", "l", "-q")
expect("a step that fails keeps the old file", one_line(d, 7, "not finite, at position 0, layer 3, kernel 'body.0:h'")
       and open("l").read() == "old", d)
d = run("run", "--tokens", "1,2", "-n", "5", "--logits", "l", "-q")
expect("the new file takes its place", d.returncode == 0 and os.path.getsize("l") == 6 * 1200, os.path.getsize("l"))
expect("with the usual rights", os.stat("l").st_mode & 0o777 == 0o644, oct(os.stat("l").st_mode))
sys.exit(1 if failed else 0)
