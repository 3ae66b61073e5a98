"""A model of 2B4T's size from `synth`: time and memory of the build, and the speed of what it builds.

Called by run.py.  Needs 6 GB of disk in the folder that is given (default: the build folder).
"""
import os
import pathlib
import shutil
import subprocess
import sys
import time

SIZES = {"vocab": 128256, "hidden": 2560, "ffn": 6912, "layers": 30, "heads": 20, "kv_heads": 5, "head": 128}


def timed(command):
    start = time.time()
    job = subprocess.Popen(command)
    _, status, usage = os.wait4(job.pid, 0)
    if status:
        sys.exit(f"{command[0]} ended with {os.waitstatus_to_exitcode(status)}")
    return time.time() - start, usage.ru_maxrss / 1024


def copy(source, target):
    """Seconds to copy a file and have it on the disk."""
    start = time.time()
    with open(source, "rb") as f, open(target, "wb") as g:
        shutil.copyfileobj(f, g, 8 << 20)
        g.flush()
        os.fsync(g.fileno())
    seconds = time.time() - start
    os.unlink(target)
    return seconds


def sets(sizes):
    return [word for name, value in sizes.items() for word in ("--set", f"{name}={value}")]


def run(root, build, folder):
    setun, page = os.path.join(build, "tools", "setun"), os.path.join(root, "models", "bitnet-b1.58.stn")
    top = pathlib.Path(folder or build) / "big"
    top.mkdir(parents=True, exist_ok=True)
    seconds, memory = timed([setun, "synth", page, *sets(SIZES), "-o", str(top / "whole")])
    print(f"synth: {seconds:.1f} s, peak {memory:.0f} MiB resident", flush=True)
    exe, weights = top / "whole.exe", top / "whole" / "model.safetensors"
    results = []
    for _ in range(3):
        seconds, memory = timed([setun, "build", page, "--weights", str(top / "whole"), "-o", str(exe), "-q"])
        copies = copy(weights, top / "copy") + copy(exe, top / "copy")
        results.append((seconds, copies, memory))
        print(f"build: {seconds:.1f} s, peak {memory:.0f} MiB resident with mapped files; copying input and output: {copies:.1f} s", flush=True)
    seconds, copies, memory = sorted(results)[1]
    good = seconds <= 2 * copies + 5 and memory < 1024
    print(f"median build {seconds:.1f} s against 2 x {copies:.1f} + 5 s: {'within' if good else 'NOT within'} the bounds")
    # The whole model, and one with a small vocabulary, whose decoding is almost all ternary.
    timed([setun, "synth", page, *sets({**SIZES, "vocab": 1024}), "-o", str(top / "ternary")])
    timed([setun, "build", page, "--weights", str(top / "ternary"), "-o", str(top / "ternary.exe"), "-q"])
    for name in ("whole", "ternary"):
        print(f"{name}:", flush=True)
        subprocess.run([str(top / f"{name}.exe"), "bench", "-p", "128", "-n", "32", "-t", "1,2", "-r", "5"], check=True)
    return 0 if good else 1
