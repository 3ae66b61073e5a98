"""docs/ir.md and docs/adding-*.md against the source: ops, examples, rules, passes.

    ir_page.py ROOT EXAMPLES        writes the page's examples, one module, to EXAMPLES
"""
import os
import re
import sys

root = sys.argv[1]
wrong = []


def read(*path):
    with open(os.path.join(root, *path)) as f:
        return f.read()


def same(what, here, there):
    for name in sorted(here - there):
        wrong.append(f"docs/ir.md has {what} {name}, the source does not")
    for name in sorted(there - here):
        wrong.append(f"docs/ir.md lacks {what} {name}")


page = read("docs", "ir.md")
ops = set(re.findall(r"^OP\((\w+),", read("ir", "ops.def"), re.M))
headings = re.findall(r"^### (.+)$", page, re.M)
same("op", {name for h in headings for name in re.findall(r"\w+", h)}, ops)

# Each section shows its op; all examples are one module, in the form that is printed.
for heading, body in re.findall(r"^### ([^\n]+)\n(.*?)(?=^##|\Z)", page, re.M | re.S):
    examples = "".join(re.findall(r"```sir\n(.*?)```", body, re.S))
    for name in re.findall(r"\w+", heading):
        if not re.search(rf"(= |^ +){name}\b", examples, re.M):
            wrong.append(f"'{heading}' does not show {name}")
with open(sys.argv[2], "w") as f:
    f.write("\n".join(re.findall(r"```sir\n(.*?)```", page, re.S)))

# Rules: those that test/ir/Inputs/rules.cases breaks.  'add.1' stands for the ops of its section.
cases = set(re.findall(r"^## (\S+)", read("test", "ir", "Inputs", "rules.cases"), re.M))
same("rule", set(re.findall(r"(?<!@)\b([a-z][a-z0-9]*\.\d)\b", page)) | set(re.findall(r"^\| (V\d+) \|", page, re.M)),
     {r for r in cases if re.search(r"\d$", r)} - {"sub.1", "mul.1", "div.1", "layers.1", "layers.2", "layers.3"} | {"V3"})
for name in {r.split(".")[1] for r in cases if re.search(r"\.[a-z]+$", r)}:
    if f"`{name}`" not in page:
        wrong.append(f"docs/ir.md does not say what rule '{name}' is")

# The pages that walk through a change name files and functions that exist.
for name in ("adding-an-op.md", "adding-a-pass.md"):
    text = read("docs", name)
    for path in re.findall(r"`((?:ir|passes|test|docs|backends|frontend|tools|runtime)/[\w./-]+)`", text):
        if not os.path.exists(os.path.join(root, path)):
            wrong.append(f"docs/{name}: no file {path}")

for line in wrong:
    print(line)
sys.exit(len(wrong) > 0)
