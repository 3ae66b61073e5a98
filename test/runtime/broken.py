#!/usr/bin/env python3
"""broken.py ELF DIR: every broken pack that pack.py can make gets one line and its exit code, and nothing runs."""
import os
import subprocess
import sys

import pack

elf, folder = sys.argv[1:3]
os.makedirs(folder, exist_ok=True)
path = os.path.join(folder, "broken")
failed = 0
for kind in pack.BREAKS:
    subprocess.run([sys.executable, pack.__file__, elf, path, "--break", kind], check=True)
    command, code = ["info"], 3
    if kind == "data":
        command, code = ["info", "--verify"], 7
    if kind == "tensor":
        command = ["info", "--tensors"]
    done = subprocess.run([path] + command, capture_output=True, text=True)
    line = done.stderr.strip()
    ok = done.returncode == code and line.startswith("error: ") and "\n" not in line
    print(f"{kind}: {done.returncode} {line[7:].replace(path, 'EXE')}")
    if not ok:
        print(f"FAILED {kind}: wanted one line and exit code {code}; standard output: {done.stdout!r}")
        failed += 1
    os.unlink(path)
sys.exit(1 if failed else 0)
