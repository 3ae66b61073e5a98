#!/usr/bin/env python3
"""Runs our executables and other engines side by side and prints medians and ratios.

    bench/peers.py --setun NAME EXE ... --peer NAME LLAMA-BENCH MODEL ... [-t 1,2] [-p 512] [-n 128] [--rounds 5]
                   [--cpu LEVEL] [--peer-args "-fa 1"] [-o md|json]

A peer is anything with llama-bench's flags and its `-o json`.  In each round every contender runs each test once, alone,
one after the other and in another order than the round before; so a machine that changes its speed does so for all.  A
ratio is the median over the rounds of (the first --setun's speed) / (the contender's) in the same round.  --cpu sets
SETUN_CPU for ours; give a peer that was built for those instructions only as a binary of its own.  Peers and models are not
part of this project and are not looked for: their paths are given.
"""
import argparse
import json
import os
import pathlib
import platform
import shlex
import statistics
import subprocess
import sys


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("--setun", nargs=2, action="append", required=True, metavar=("NAME", "EXE"))
    p.add_argument("--peer", nargs=3, action="append", default=[], metavar=("NAME", "BINARY", "MODEL"))
    p.add_argument("-t", "--threads", default="1,2")
    p.add_argument("-p", "--prompt", default="512")
    p.add_argument("-n", "--predict", default="128")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--cpu", help="level of our code, as SETUN_CPU takes it")
    p.add_argument("--peer-args", default="", help="more flags for every peer")
    p.add_argument("-o", "--output", choices=("md", "json"), default="md")
    return p.parse_args()


def numbers(text):
    return [n for n in (int(word) for word in text.split(",")) if n > 0]


def run(command, env=None):
    """Its standard output as json, or None and a line on standard error."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                          env={**os.environ, **(env or {})})
    try:
        if done.returncode == 0:
            return json.loads(done.stdout)
        why = f"code {done.returncode}"
    except ValueError:
        why = "no json"
    last = done.stderr.decode(errors="replace").strip().split("\n")[-1]
    print(f"{shlex.join(command)}: {why}: {last}", file=sys.stderr)
    return None


class Setun:
    def __init__(self, name, exe, args):
        self.name, self.exe = name, exe
        self.env = {"SETUN_CPU": args.cpu} if args.cpu else {}

    def speed(self, kind, count, threads):
        p, n = (count, 0) if kind == "pp" else (0, count)
        rows = run([self.exe, "bench", "-p", str(p), "-n", str(n), "-t", str(threads), "-r", "1", "-o", "json"], self.env)
        return rows and {"tok_s": rows[0]["tok_s"], "read_gb_s": rows[0]["read_gb_s"], "share": rows[0]["share"]}


class Peer:
    def __init__(self, name, binary, model, args):
        self.name, self.command = name, [binary, "-m", model, *shlex.split(args.peer_args)]

    def speed(self, kind, count, threads):
        p, n = (count, 0) if kind == "pp" else (0, count)
        rows = run([*self.command, "-p", str(p), "-n", str(n), "-t", str(threads), "-r", "1", "-o", "json"])
        for row in rows or []:
            if (row["n_prompt"], row["n_gen"]) == (p, n):
                return {"tok_s": row["avg_ts"]}
        return None


def machine():
    """What the numbers are of."""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
        cpu = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), platform.machine())
    with open("/proc/meminfo", encoding="ascii") as f:
        kib = int(f.readline().split()[1])
    return {"cpu": cpu, "cpus": len(os.sched_getaffinity(0)), "memory_gib": round(kib / 2**20, 1),
            "kernel": platform.release(), "load": round(os.getloadavg()[0], 2)}


def measure(args, contenders):
    """{(contender's index, test, threads): [a dict or None a round]}"""
    tests = [("pp", n) for n in numbers(args.prompt)] + [("tg", n) for n in numbers(args.predict)]
    found = {}
    for turn in range(args.rounds):
        for threads in numbers(args.threads):
            for test in tests:
                order = [(i + turn) % len(contenders) for i in range(len(contenders))]
                for at in order if turn % 2 == 0 else reversed(order):
                    found.setdefault((at, test, threads), []).append(contenders[at].speed(*test, threads))
    return found


def rows_of(args, contenders, found):
    for (at, test, threads), runs in sorted(found.items(), key=lambda item: (item[0][1], item[0][2], item[0][0])):
        good = [r["tok_s"] for r in runs if r]
        pairs = [ours["tok_s"] / r["tok_s"] for ours, r in zip(found[(0, test, threads)], runs) if ours and r]
        row = {"name": contenders[at].name, "test": f"{test[0]}{test[1]}", "threads": threads, "tok_s": good,
               "median": statistics.median(good) if good else None, "ratio": statistics.median(pairs) if pairs else None}
        if isinstance(contenders[at], Setun) and good:
            for key in ("read_gb_s", "share"):
                row[key] = statistics.median(r[key] for r in runs if r)
        yield row


def table(about, rows, first, rounds):
    level = f", {about['level']} only" if about["level"] else ""
    print(f"{about['cpu']}, {about['cpus']} CPUs, {about['memory_gib']} GiB, Linux {about['kernel']}, load {about['load']} "
          f"before; medians of {rounds} rounds{level}.\n")
    print(f"| test | threads | engine | tok/s | from - to | {first} is faster by |\n| --- | ---: | --- | ---: | ---: | ---: |")
    for r in rows:
        if r["median"] is None:
            print(f"| {r['test']} | {r['threads']} | {r['name']} | failed | | |")
            continue
        ratio = f"{r['ratio']:.2f}" if r["ratio"] else ""
        print(f"| {r['test']} | {r['threads']} | {r['name']} | {r['median']:.2f} | {min(r['tok_s']):.2f} - "
              f"{max(r['tok_s']):.2f} | {ratio} |")


def main():
    args = arguments()
    contenders = [Setun(*s, args) for s in args.setun] + [Peer(*p, args) for p in args.peer]
    for path in [s[1] for s in args.setun] + [word for p in args.peer for word in p[1:]]:
        if not pathlib.Path(path).exists():
            sys.exit(f"{path}: no such file")
    about = {**machine(), "level": args.cpu}
    if about["load"] > 0.5 * about["cpus"]:
        print(f"note: the load is {about['load']}: other programs run", file=sys.stderr)
    rows = list(rows_of(args, contenders, measure(args, contenders)))
    if args.output == "json":
        print(json.dumps({"machine": about, "rounds": args.rounds, "results": rows}, indent=1))
    else:
        table(about, rows, args.setun[0][0], args.rounds)
    sys.exit(1 if any(r["median"] is None for r in rows) else 0)


if __name__ == "__main__":
    main()
