#!/usr/bin/env python3
"""Longer runs, by name: ./dev campaign NAME [ARGUMENTS]; without a name, the list."""
import argparse
import os
import platform
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def has_fma():
    if platform.machine() != "x86_64":
        return False
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
        return " fma " in f.read()


def ulp(build, extra):
    """errors of the elementary functions over all inputs (docs/numerics.md)"""
    program = os.path.join(build, "ulp")
    flags = ["-std=c17", "-D_GNU_SOURCE", "-O2", "-ffp-contract=off", "-I", ROOT] + (["-mfma"] if has_fma() else [])
    sources = [os.path.join(ROOT, p) for p in ("test/campaign/ulp.c", "ir/num.c")]
    libraries = ["-lmpfr", "-lgmp", "-lm", "-lpthread"]
    subprocess.run([os.environ.get("CC", "cc")] + flags + sources + ["-o", program] + libraries, check=True)
    return subprocess.run([program] + extra, check=False).returncode


CAMPAIGNS = {"ulp": ulp}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("name", nargs="?")
    args, extra = parser.parse_known_args()
    if args.name not in CAMPAIGNS:
        for name, run in CAMPAIGNS.items():
            print(f"{name:12} {run.__doc__}")
        return 2 if args.name else 0
    return CAMPAIGNS[args.name](args.build, extra)


if __name__ == "__main__":
    sys.exit(main())
