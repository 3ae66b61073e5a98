#!/usr/bin/env python3
"""includes.py ROOT: every #include of ours follows the table of docs/architecture.md, which this reads."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
FOLDERS = ["base", "ir", "codec", "lang", "frontend", "passes", "backends", "runtime", "tools"]
# headers that both sides of the wall between compiler and runtime may see
SHARED = {"runtime/abi.h", "runtime/contract.h", "runtime/exit.h"}


def table():
    """folder -> what its row's last column allows: folders, and headers of runtime/."""
    needs = {}
    for line in (root / "docs/architecture.md").read_text(encoding="utf-8").splitlines():
        row = re.match(r"\| (\w+)/ \|.*\| ([^|]*) \|$", line)
        if row:
            needs[row[1]] = {w.strip() for w in row[2].split(",")}
    return needs


def closure(needs, folder):
    seen, todo = set(), [folder]
    while todo:
        for need in needs.get(todo.pop(), ()):
            if need not in seen:
                seen.add(need)
                todo.append(need)
    return seen | {folder}


def main():
    needs, bad = table(), []
    missing = [f for f in FOLDERS if f not in needs]
    if missing:
        sys.exit(f"docs/architecture.md has no row for {', '.join(missing)}")
    for folder in FOLDERS:
        allowed = closure(needs, folder)
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in (".c", ".h", ".l", ".y", ".def"):
                continue
            for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                found = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
                if not found:
                    continue
                name = found[1]
                if name.startswith("llvm-c/"):
                    ok = folder == "backends"
                elif "/" in name and name.split("/")[0] in FOLDERS:
                    ok = name in allowed or (name.split("/")[0] in allowed) or "all" in needs[folder]
                else:
                    ok = True
                if not ok:
                    bad.append(f"{path.relative_to(root)}:{n}: may not include {name}")
    print("\n".join(bad) if bad else "includes follow docs/architecture.md")
    return 1 if bad else 0


sys.exit(main())
