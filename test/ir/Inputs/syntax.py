"""Runs every case of syntax.cases: setun-opt must end with 3 and its message, at its place.

    syntax.py setun-opt CASES OUT_DIR
"""
import os
import re
import subprocess
import sys

opt, cases, out = sys.argv[1:]
os.makedirs(out, exist_ok=True)
failed = 0
found = re.findall(r"^## (\d+:\d+: .*)\n((?:(?!## ).*\n)*)", open(cases).read(), re.M)
for number, (message, text) in enumerate(found):
    path = os.path.join(out, f"{number}.sir")
    with open(path, "w") as f:
        f.write(re.sub(r"\{(\d+):(.*?):\}", lambda m: m[2] * int(m[1]), text.strip("\n") + "\n" if text.strip() else ""))
    line, col, words = message.split(":", 2)
    done = subprocess.run([opt, path], capture_output=True, text=True)
    first = done.stderr.split("\n")[0]
    if done.returncode != 3 or not first.startswith(f"{path}:{line}:{col}: error:{words}") or done.stdout:
        failed += 1
        print(f"{path}: exit {done.returncode}, expected {message}\n  found {first}\n{text}")
print(f"{len(found)} cases, {failed} failed")
sys.exit(failed > 0)
