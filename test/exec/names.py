"""names.py ROOT: no C, flex or bison file outside test/ holds the name of a model family.

Tables of names (*.def) may; and two names that contain one are something else: the program bitnet.cpp, whose file
formats are read, and the rotation scaling that config.json calls llama3.
"""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
bad = []
for folder in ("base", "ir", "codec", "lang", "frontend", "passes", "backends", "runtime", "tools", "bench"):
    for path in (root / folder).rglob("*"):
        if path.suffix not in (".c", ".h", ".l", ".y"):
            continue
        for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if re.search("bitnet|llama|falcon|gemma|qwen", re.sub(r"bitnet\.cpp|\bllama3\b", "", line), re.IGNORECASE):
                bad.append(f"{path.relative_to(root)}:{n}: {line.strip()}")
print("\n".join(bad))
sys.exit(bool(bad))
