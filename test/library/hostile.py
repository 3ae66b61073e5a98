"""hostile.py SETUN ROOT DIR CHECKED: random calls of libraries whose runtime has sanitizers in it, CHECKED its folder."""
import os
import pathlib
import subprocess
import sys

setun, root, out, checked = sys.argv[1], *map(pathlib.Path, sys.argv[2:5])
CC = (checked / "compiler").read_text(encoding="utf-8")
HERE = pathlib.Path(__file__).parent
SEEN = 0, 1, 2, 3, 5, 6, 10  # what must have come up: OK, ARGUMENT, FULL, ROOM, EMPTY, STATE, VALUE


def run(*command, **env):
    done = subprocess.run([str(c) for c in command], env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    text = done.stdout.decode("utf-8", "replace")
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} -> {done.returncode}\n{text}")
    return text


out.mkdir(parents=True)
for prefix, flags in (("plain", []), ("screened", ["--head", "screened"])):
    run(setun, "build", root / "models/shakespeare", "-q", *flags, "--emit", "lib", "-o", out / f"lib{prefix}.a",
        SETUN_RUNTIME=str(checked))
    run(CC, "-std=gnu17", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-Wall", "-Wextra", "-Werror",
        f"-I{root}", f"-I{out}", f"-DP={prefix}", f"-DU={prefix.upper()}", f'-DHEADER="{prefix}.h"', HERE / "hostile.c",
        root / "runtime/hash.c", out / f"lib{prefix}.a", "-lm", "-lpthread", "-o", out / prefix)
    counts = [int(n) for n in run(out / prefix, "7", "200").split()]
    if [i for i in SEEN if counts[i] == 0] or len(counts) != 12:
        sys.exit(f"{prefix}: some errors never came up: {counts}")
