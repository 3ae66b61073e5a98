#!/usr/bin/env python3
"""Runs the suites one after the other and keeps each to its time.

The table below is the one in docs/testing.md (test/docs/suites.test compares them). A suite that takes longer than
its limit fails, so the whole stays under 25 minutes on two cores. Closes with the runners' own counts.
"""
import argparse
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# name, seconds it may take, ctest label
SUITES = [
    ("unit", 240, "unit"),
    ("lit", 420, "lit"),
    ("programs", 480, "programs"),
    ("model", 240, "model"),
]


def run(build, name, limit, label, extra):
    start = time.time()
    command = ["ctest", "--test-dir", build, "--output-on-failure", "-L", f"^{label}$", "--no-tests=error"] + extra
    try:
        done = subprocess.run(command, timeout=limit, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        output, code = done.stdout, done.returncode
    except subprocess.TimeoutExpired as late:
        output, code = (late.stdout or b"").decode(errors="replace"), 124
        output += f"\n{name}: stopped after its {limit} s\n"
    print(f"==== {name}: {time.time() - start:.0f} s of {limit} s, exit {code}", flush=True)
    print(output, flush=True)
    return code, output


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--suite", action="append", help="only this one; may be given several times")
    parser.add_argument("--slower", type=int, default=1, help="limits are this many times longer: sanitizers")
    args, extra = parser.parse_known_args()
    known = [s[0] for s in SUITES]
    for s in args.suite or []:
        if s not in known:
            parser.error(f"no suite '{s}'; there are {', '.join(known)}")
    failed, passed, bad, skipped = [], 0, 0, []
    for name, limit, label in SUITES:
        if args.suite and name not in args.suite:
            continue
        code, output = run(args.build, name, limit * args.slower, label, extra)
        found = re.search(r"(\d+)% tests passed, (\d+) tests failed out of (\d+)", output)
        if found:
            passed += int(found[3]) - int(found[2])
            bad += int(found[2])
        skipped += re.findall(r"^.*(?:SKIP|UNSUPPORTED):.*$", output, re.M)
        if code:
            failed.append(name)
    for line in skipped:
        print(line.strip())
    print(f"suites: {'all passed' if not failed else 'FAILED: ' + ', '.join(failed)}")
    print(f"{passed} passed, {bad} failed, {len(skipped)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
