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
with open(elf, "rb") as f:
    code = f.read()
for kind in pack.BREAKS:
    with open(path, "wb") as f:
        f.write(pack.pack(kind, code))
    os.chmod(path, 0o755)
    command, wanted = ["info"], 3
    if kind == "data":
        command, wanted = ["info", "--verify"], 7
    if kind.startswith("chat-"):
        command = ["info", "--chat"]
    if kind == "tensor":
        command = ["info", "--tensors"]
    done = subprocess.run([path] + command, capture_output=True, text=True)
    line = done.stderr.strip()
    ok = done.returncode == wanted and line.startswith("error: ") and "\n" not in line
    print(f"{kind}: {done.returncode} {line[7:].replace(path, 'EXE')}")
    if not ok:
        print(f"FAILED {kind}: wanted one line and exit code {wanted}; standard output: {done.stdout!r}")
        failed += 1
    os.unlink(path)
sys.exit(1 if failed else 0)
