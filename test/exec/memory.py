"""memory.py SETUN PAGE FOLDER: what build holds in memory does not grow with the model.

A checkpoint of 160 MB and one of 8 MB, same widths, as packed bytes and as a GGUF file of blocks: the largest
resident sets, mapped pages among them, differ by no more than the 32 MiB that the reader keeps before it gives pages back, and
a little.
"""
import os
import pathlib
import subprocess
import sys

setun, page, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])


def peak(*command):
    """MiB of one command, resident at the most."""
    pid = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid
    _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit(f"{' '.join(map(str, command))}: status {status}")
    return usage.ru_maxrss / 1024


def measure(layers):
    base = folder / str(layers)
    sizes = {"vocab": 512, "hidden": 1024, "ffn": 4096, "heads": 16, "kv_heads": 4, "context": 512, "layers": layers}
    sets = [x for name, value in sizes.items() for x in ("--set", f"{name}={value}")]
    subprocess.run([setun, "synth", page, *sets, "-o", base], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    gguf, exe = f"{base}.gguf", f"{base}.exe"
    return {"build": peak(setun, "build", base, "-o", exe, "-q"), "convert": peak(setun, "convert", base, "-o", gguf, "--to", "tq2_0", "-q"),
            "build of blocks": peak(setun, "build", gguf, "-o", exe, "-q")}


small, large = measure(2), measure(40)
bad = False
for what, least in small.items():
    print(f"{what}: {least:.0f} MiB, and {large[what]:.0f} MiB for twenty times the layers")
    bad |= large[what] - least > 40
sys.exit(bad)
