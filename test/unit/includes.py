#!/usr/bin/env python3
"""includes.py ROOT: every #include of ours follows the table of docs/architecture.md, which this reads."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
FOLDERS = ["base", "ir", "codec", "lang", "frontend", "passes", "backends", "runtime", "tools"]

def table():
    """folder, or room of one -> what its row's last column allows: folders, and headers of runtime/."""
    needs = {}
    for line in (root / "docs/architecture.md").read_text(encoding="utf-8").splitlines():
        row = re.match(r"\| ((?:[\w/]+/, )*[\w/]+/) \|.*\| ([^|]*) \|$", line)
        for name in row[1].split(", ") if row else ():
            needs[name.rstrip("/")] = {w.strip() for w in row[2].split(",")}
    return needs


def closure(needs, folder):
    seen, todo = set(), [folder]
    while todo:
        for need in needs.get(todo.pop(), ()):
            if need not in seen:
                seen.add(need)
                todo.append(need)
    return seen | {folder}


def room(needs, path):
    """The folder of the table that a file lies in, the innermost."""
    parts = path.split("/")[:-1]
    while parts and "/".join(parts) not in needs:
        parts.pop()
    return "/".join(parts)


def may_include(needs, path, name):
    here, there = room(needs, path), room(needs, name)
    if name.startswith("llvm-c/"):
        return here.split("/")[0] == "backends"
    if name.split("/")[0] not in FOLDERS:
        return True
    allowed = closure(needs, here)
    return name in allowed or there in allowed or "all" in needs[here]


def main():
    needs, bad = table(), []
    missing = [f for f in FOLDERS if f not in needs]
    if missing:
        sys.exit(f"docs/architecture.md has no row for {', '.join(missing)}")
    for path in sorted(p for folder in FOLDERS for p in (root / folder).rglob("*")):
        if path.suffix not in (".c", ".h", ".l", ".y", ".def"):
            continue
        where = str(path.relative_to(root))
        for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            found = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
            if found and "/" in found[1] and not may_include(needs, where, found[1]):
                bad.append(f"{where}:{n}: may not include {found[1]}")
    print("\n".join(bad) if bad else "includes follow docs/architecture.md")
    return 1 if bad else 0


sys.exit(main())
