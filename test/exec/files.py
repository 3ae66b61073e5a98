#!/usr/bin/env python3
"""files.py SETUN PAGE CHECKPOINT DIR: files and standard streams that are not as a build likes them."""
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

setun, page, checkpoint, folder = sys.argv[1:5]
setun = shutil.which(setun) or setun
os.makedirs(folder, exist_ok=True)
os.chdir(folder)
for name in ("mini", "tmp"):
    shutil.rmtree(name, ignore_errors=True)
shutil.copytree(checkpoint, "mini")
shutil.copy(page, "page.stn")
os.makedirs("tmp")
environment = dict(os.environ, TMPDIR=os.path.abspath("tmp"))
failed = 0


def expect(what, ok, detail=""):
    global failed
    print(("ok: " if ok else "FAILED: ") + what, detail if not ok else "")
    failed += not ok


def run(*args, **more):
    p = subprocess.run([setun, *args], capture_output="stdout" not in more, env=environment, timeout=120, check=False, **more)
    return p.returncode, (p.stderr or b"").decode()


def shell(command):
    """A shell closes and redirects streams; stderr comes back through a file."""
    p = subprocess.run(["sh", "-c", command, "sh", setun], stdout=subprocess.PIPE, env=environment, timeout=120, check=False)
    return p.returncode


def bytes_of(name):
    with open(name, "rb") as f:
        return f.read()


build = ("build", "page.stn", "--weights", "mini", "-o")

# Outputs that are inputs, by whatever name.
os.symlink("mini/config.json", "link") if not os.path.lexists("link") else None
inputs = ["page.stn", "mini/model.safetensors", "mini/config.json", "mini/tokenizer.json", "./mini/../page.stn", "link"]
before = [bytes_of(name) for name in inputs]
for name, old in zip(inputs, before):
    code, err = run(*build, name)
    expect("the output is the input " + name, code == 2 and "[output-is-input]" in err and bytes_of(name) == old, (code, err))
code, err = run("build", "page.stn", "--weights", "mini", "--emit", "ir", "-o", "page.stn")
expect("so is that of --emit", code == 2 and bytes_of("page.stn") == before[0], (code, err))
code, err = run("build", "page.stn", "--weights", "absent", "-o", "exe")
expect("a checkpoint that does not exist is named", code == 5 and err.startswith("absent: error: cannot open"), (code, err))

# A limit of file size is told, and nothing half-written stays.
code, err = run(*build, "exe")
expect("a build", code == 0 and err == "", (code, err))
whole, size = bytes_of("exe"), os.path.getsize("exe")
for limit in (1024, size - 4096):
    code, err = run(*build, "exe", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    expect(f"a limit of {limit} bytes", code == 6 and "[no-space]" in err, (code, err))
    left = os.listdir("tmp") + [name for name in os.listdir(".") if name.startswith(".")]
    expect("nothing is left, the old output is whole", left == [] and bytes_of("exe") == whole, left)

# Standard output that cannot be written.
for command in ("messages", "levels", "build page.stn --weights mini --emit ir"):
    code = shell(f'"$1" {command} > /dev/full 2> err')
    expect(command + " to a full device", code == 6 and b"No space left on device" in bytes_of("err"), code)
    code = shell(f'"$1" {command} >&- 2> err')
    expect(command + " to nowhere", code == 5 and b"Bad file descriptor" in bytes_of("err"), code)

# Streams that are closed: their numbers are given to no other file.
code = shell('"$1" build page.stn --weights mini -o closed 0<&- >&- 2>&-')
expect("a build without streams", code == 0 and bytes_of("closed") == whole, code)
code = shell("./exe run --tokens 1,2,3 -n 2 --ids --logits logits >ids 2>&-")
expect("logits hold no messages", code == 0 and os.path.getsize("logits") == 4 * 16 * 4, code)

# A checkpoint that is cut short while it is read; the file is large enough for that to be seen.
sets = "vocab=300 hidden=512 ffn=4096 heads=8 layers=24".split()
code, err = run("synth", "page.stn", *[x for s in sets for x in ("--set", s)], "-o", "big")
whole_size = os.path.getsize("big/model.safetensors")
for _ in range(5):  # a build that was faster than we leaves its output
    p = subprocess.Popen([setun, "build", "page.stn", "--weights", "big", "-o", "shrunk"], stderr=subprocess.PIPE, env=environment)
    while p.poll() is None and not any(name.startswith(".shrunk.") for name in os.listdir(".")):
        time.sleep(0)
    p.send_signal(signal.SIGSTOP)
    os.truncate("big/model.safetensors", 1 << 20)
    p.send_signal(signal.SIGCONT)
    err = p.communicate(timeout=120)[1].decode()
    if p.returncode:
        break
    os.truncate("big/model.safetensors", whole_size)
    os.unlink("shrunk")
left = os.listdir("tmp") + [name for name in os.listdir(".") if "shrunk" in name]
expect("a checkpoint that shrinks", p.returncode == 5 and "became shorter" in err and left == [], (p.returncode, err, left))
shutil.rmtree("big")

sys.exit(failed > 0)
