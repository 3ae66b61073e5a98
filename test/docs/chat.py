#!/usr/bin/env python3
"""chat.py ROOT: docs/chat.md lists the filters, tests and methods of the engine's tables, all and no others."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
page = (root / "docs/chat.md").read_text(encoding="utf-8")


def table(file, start):
    text = (root / "runtime/jinja" / file).read_text(encoding="utf-8")
    text = text[text.index(start):]
    return set(re.findall(r'\{\s*"(\w+)"', text[:text.index("};")]))


bad = False
for row, have in (("filters", table("filter.c", "} filters[] = {")), ("tests", table("test.c", "} tests[] = {")),
                  ("methods", table("method.c", "} methods[] = {") - {"cycle", "changed"})):
    line = next(l for l in page.splitlines() if l.startswith(f"| {row} |"))
    listed = set(re.findall(r"`(\w+)`", line))
    for what, names in (("does not list", have - listed), ("lists what is not there:", listed - have)):
        if names:
            bad = True
            print(f"docs/chat.md {what} {row} {', '.join(sorted(names))}")
    assert len(have) > 10
sys.exit(bad)
