#!/usr/bin/env python3
"""plain.py ARCHIVE: no object of the runtime but those that run behind the level check uses AVX."""
import re
import subprocess
import sys

NEWER = {"sampler.c.o", "stream.c.o"}
text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", sys.argv[1]], capture_output=True, text=True,
                      check=True).stdout
newer = {}
for part in re.split(r"^(?=\S+\.o:\s+file format)", text, flags=re.M)[1:]:
    name = part[:part.index(":")]
    newer[name] = re.findall(r"^\s+[0-9a-f]+:\s+(v[a-z0-9]+\s.*[xyz]mm.*|[a-z]+x\s+%r.*,%r.*,%r.*)$", part, flags=re.M)
bad = {n: found[0] for n, found in newer.items() if found and n not in NEWER}
unused = [n for n in NEWER if not newer.get(n)]
print(f"{len(newer)} objects, newer than the architecture: {sorted(n for n in newer if newer[n])}")
for name, line in bad.items():
    print(f"FAILED: {name} has {line}")
sys.exit(bool(bad or unused))
