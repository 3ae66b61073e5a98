"""Runs every case of rules.cases; ends with 1 if one is not refused by its rule, or if a rule has no case.

    rules.py setun-opt CASES SHAPE.C VERIFY.C OPS.DEF OUT_DIR
"""
import os
import re
import subprocess
import sys

opt, cases, shape, verify, ops, out = sys.argv[1:]
os.makedirs(out, exist_ok=True)

# Rules that no text can break, as the parser refuses it first: test/unit/verify_test.c.
NOT_TEXT = {"V3"}


def rules_of_the_source():
    """Every rule that shape.c and verify.c can report, by the name it is reported with."""
    users = {}
    for op, rule in re.findall(r"^OP\((\w+),.*?(\w+)\s*\)\s*$", open(ops).read(), re.M):
        users.setdefault(rule, []).append(op)
    found = set()
    text = open(shape).read()
    for name, body in re.findall(r"^static bool shape_(\w+)\(.*?\n?(.*?)(?=^static|^typedef)", text, re.M | re.S):
        numbers = set(re.findall(r'broken\(s, "(\d)"', body))
        if "return contract(" in body:
            numbers |= {"2", "3"}
        for op in users[name]:
            found |= {f"{op}.{n}" for n in numbers if not (op == "layer" and n in "45")}
    found |= set(re.findall(r'"(V\d+)"', open(verify).read()))
    # One operand of one type is the same as itself.
    one = re.findall(r'^OP\((\w+),.*"x",.* same\)', open(ops).read(), re.M)
    return found - {f"{op}.1" for op in one}


def program(before, case):
    if re.match(r"(func|entry|weight|state) ", case):
        return f"{before}  ret %x\n}}\n{case}"
    return f"{before}{case}  ret %x\n}}\n"


text = open(cases).read()
before, rest = text.split("==== before\n")[1].split("==== cases\n")
good = subprocess.run([opt, "-"], input=program(before, ""), capture_output=True, text=True)
failed = 0
if good.returncode:
    failed += 1
    print(f"the text around the cases is wrong:\n{good.stderr}")
seen = set()
for number, (rule, body) in enumerate(re.findall(r"^## (\S+)\n((?:[ fews}].*\n)+)", rest, re.M)):
    seen.add(rule)
    path = os.path.join(out, f"{number}.sir")
    with open(path, "w") as f:
        f.write(program(before, body))
    done = subprocess.run([opt, path], capture_output=True, text=True)
    if done.returncode != 3 or f"rule {rule}:" not in done.stderr or done.stdout:
        failed += 1
        print(f"{path}: exit {done.returncode}, expected 'rule {rule}:'\n{body}{done.stderr}")
for rule in sorted(rules_of_the_source() - seen - NOT_TEXT):
    failed += 1
    print(f"no case breaks rule {rule}")
print(f"{number + 1} cases of {len(seen)} rules, {failed} failed")
sys.exit(failed > 0)
