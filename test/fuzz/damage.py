#!/usr/bin/env python3
"""damage.py BUILD TARGET ...: every fuzz target over its seeds, whole and damaged, without libFuzzer (damage.c)."""
import pathlib
import subprocess
import sys

import seeds

build, bad = pathlib.Path(sys.argv[1]), []
for target in sys.argv[2:]:
    folder = build / "test" / "fuzz-seeds" / target
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, content in seeds.seeds(target).items():
        (folder / name).write_bytes(content)
        count = 3000 if len(content) < 4096 else 200
        done = subprocess.run([build / "test" / target, str(count), folder / name], check=False, capture_output=True, timeout=150)
        paths.append(name)
        if done.returncode:
            bad.append(f"{target}: {name}: exit {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}")
    print(f"{target}: {len(paths)} seeds")
    if not paths:
        bad.append(f"{target}: no seeds")
print("\n".join(bad))
sys.exit(bool(bad))
