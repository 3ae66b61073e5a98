#!/usr/bin/env python3
"""Runs the suites one after the other and keeps each to its time.

The table below is the one in docs/testing.md (test/docs/suites.test compares them). A suite that takes longer than
its limit is stopped and fails, so the whole stays under 25 minutes on two cores. Below the runners' own counts stand
what was skipped and why, and last the sum: programs run by ctest, and the tests of lit one by one.
"""
import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Name and label of ctest, and the seconds it may take.
SUITES = [
    ("unit", 180),
    ("lit", 640),
    ("programs", 480),
    ("model", 180),
]


class Counts:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, []

    def add(self, name, good, output):
        """A test; lines "SKIP: what and why" in what it printed are parts of it that this machine cannot run."""
        self.passed += good
        self.failed += not good
        self.skipped += sorted({f"SKIP: {name}: {why}" for why in re.findall(r"\bSKIP: (.*)", output)})

    def add_lit(self, report):
        """The tests of one run of lit, from its own report."""
        with open(report, encoding="utf-8") as f:
            tests = json.load(f)["tests"]
        for t in tests:
            name = t["name"].split(" :: ")[-1]
            if t["code"] == "UNSUPPORTED":
                self.skipped.append(f"UNSUPPORTED: {name}: {t['output'].strip()}")
            else:
                self.add(name, t["code"] in ("PASS", "FLAKYPASS", "XFAIL"), t["output"])


def stop(process):
    """Ends ctest and every test below it."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run(build, name, limit, extra, counts):
    """Runs a suite, adds what it did to the counts; whether it passed."""
    report = os.path.join(build, "Testing", f"{name}.xml")
    lit_report = os.path.join(build, "Testing", f"{name}.json")
    for path in (report, lit_report):
        if os.path.exists(path):
            os.unlink(path)
    command = ["ctest", "--test-dir", build, "--output-on-failure", "--no-tests=error", "-L", f"^{name}$",
               "-j", str(os.cpu_count() or 1), "--output-junit", report, "--test-output-size-passed", "1000000",
               "--timeout", str(limit * 9 // 10)] + extra  # a test that hangs is named
    start = time.time()
    print(f"==== {name}: at most {limit} s", flush=True)
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            stop(process)
            counts.failed += 1
            print(f"==== {name}: stopped after its {limit} s", flush=True)
            return False
        except BaseException:  # interrupted: leave no test behind
            stop(process)
            raise
    if not os.path.exists(report):
        counts.failed += 1
        print(f"==== {name}: no report, exit {code}", flush=True)
        return False
    for test in xml.etree.ElementTree.parse(report).iter("testcase"):
        output, good = test.findtext("system-out", ""), test.get("status") == "run"
        if "Total Discovered Tests" in output and os.path.exists(lit_report):
            counts.add_lit(lit_report)
            print(output.strip() if good else "")
        else:
            counts.add(test.get("name"), good, output)
    print(f"==== {name}: {time.time() - start:.0f} s of {limit} s, exit {code}\n", flush=True)
    return code == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--suite", action="append", help="only this one; may be given several times")
    parser.add_argument("--slower", type=int, default=1, help="limits are this many times longer: sanitizers")
    args, extra = parser.parse_known_args()
    known = [name for name, _ in SUITES]
    for name in args.suite or []:
        if name not in known:
            parser.error(f"no suite '{name}'; there are {', '.join(known)}")
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of stop()
    build, counts = os.path.abspath(args.build), Counts()
    failed = [name for name, limit in SUITES
              if (not args.suite or name in args.suite) and not run(build, name, limit * args.slower, extra, counts)]
    print("\n".join(counts.skipped + ["suites: " + ("FAILED: " + ", ".join(failed) if failed else "all passed")]))
    print(f"{counts.passed} passed, {counts.failed} failed, {len(counts.skipped)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
