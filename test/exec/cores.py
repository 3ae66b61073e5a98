"""Every core gives the bundled model's executable the same bits and the same weights to read back.

    cores.py SETUN MODELS IR/CORES.DEF OUT_DIR
"""
import os
import pathlib
import re
import subprocess
import sys

setun, models, table, out = sys.argv[1:]
models, top = pathlib.Path(models), pathlib.Path(out)
page, weights = str(models / "bitnet-b1.58.stn"), str(models / "shakespeare")
tokens = ",".join(str((i * 389 + 7) % 1000) for i in range(9))


def run(command, **env):
    return subprocess.run([str(c) for c in command], env={**os.environ, **env}, check=True, capture_output=True).stdout


def logits(command, **env):
    path = top / "logits"
    run([*command, "--tokens", tokens, "-n", "1", "--temp", "0", "--ids", "-q", "--logits", path], **env)
    return path.read_bytes()


def weights_of(exe):
    """What inspect says of the tensors, and a checkpoint in another format."""
    text = run([setun, "inspect", exe]).decode()
    gguf = top / "copy.gguf"
    run([setun, "convert", exe, "--to", "q2_0", "-o", gguf, "-q"])
    return text[text.index("\ntensors"):], gguf.read_bytes()


want = logits([setun, "run", page, "--weights", weights, "--interp"])
cores = re.findall(r"^CORE\((\w+),", open(table, encoding="ascii").read(), re.M)
first, ways = None, 0
for core in cores:
    exe = top / core
    run([setun, "build", page, "--weights", weights, "--core", core, "-o", exe, "-q"])
    for level in [line.split()[0] for line in run([setun, "levels"]).decode().splitlines()]:
        for flags in (("-t", "1"), ("-t", "2", "--chunk", "1"), ("-t", "2", "--chunk", "4")):
            try:
                got = logits([exe, "run", *flags], SETUN_CPU=level)
            except subprocess.CalledProcessError as failed:
                if failed.returncode in (2, 9):  # not in this executable, or not for this machine
                    continue
                raise
            if got != want:
                sys.exit(f"{core}, {level}, {' '.join(flags)}: logits are not the interpreter's")
            ways += 1
    found = weights_of(exe)
    first = first or found
    if found != first:
        sys.exit(f"{core}: inspect or convert finds other weights than in {cores[0]}")
    run([setun, "verify", exe, "--tokens", "1022,5,6", "-n", "1"])
    layout = {"columns": "columns", "columns5": "columns5"}.get(core, core + "_64")
    info = run([exe, "info", "--tensors"]).decode()
    if info.count(f"layout {layout},") != info.count("ternary["):
        sys.exit(f"{core}: not every ternary tensor has layout {layout}:\n{info}")
assert ways >= 3 * len(cores), ways
print(f"{len(cores)} cores, {ways} ways equal to the interpreter")
