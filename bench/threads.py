#!/usr/bin/env python3
"""threads.py EXE [-t 1,2,4] [-n 32] [-r 5]: an executable alone and beside busy loops, one a CPU; and how it starts.

For each number of threads, in turn: tokens a second alone, then beside the loops, and what the loops get of what they get
alone. Beside as many busy threads as CPUs a thread of its own is due half of a CPU; the loops' share says what they left.
Start: milliseconds from the call to the first byte of text, for a prompt of one token, and of a beginning token and one.
"""
import argparse
import multiprocessing
import os
import re
import statistics
import subprocess
import time


def spin(count, index):
    n = 0
    while True:
        for _ in range(20000):
            pass
        n += 1
        count[index] = n


class Loops:
    """Busy processes, one a CPU that this one may use; rate() is what one does a second."""

    def __init__(self, n):
        self.count = multiprocessing.Array("L", n, lock=False)
        self.jobs = [multiprocessing.Process(target=spin, args=(self.count, i), daemon=True) for i in range(n)]

    def __enter__(self):
        for job in self.jobs:
            job.start()
        time.sleep(0.3)
        self.begin, self.before = time.time(), list(self.count)
        return self

    def rate(self):
        done = sum(self.count) - sum(self.before)
        return done / len(self.jobs) / (time.time() - self.begin)

    def __exit__(self, *_):
        for job in self.jobs:
            job.terminate()
            job.join()


def speed(exe, threads, tokens):
    command = [exe, "run", "--tokens", "1,2,3", "-n", str(tokens), "--ignore-eos", "--temp", "0", "-t", str(threads)]
    text = subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True).stderr
    return float(re.search(r"generation: \d+ tokens, ([\d.]+) tok/s", text)[1])


def start(exe, tokens):
    begin = time.time()
    with subprocess.Popen([exe, "run", "--tokens", tokens, "-n", "1", "--ignore-eos", "--ids"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as job:
        job.stdout.read(1)
        first = time.time() - begin
        job.stdout.read()
    return 1000 * first


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("exe")
    parser.add_argument("-t", default="1,2,4")
    parser.add_argument("-n", type=int, default=32)
    parser.add_argument("-r", type=int, default=5)
    o = parser.parse_args()
    exe, cpus = os.path.abspath(o.exe), len(os.sched_getaffinity(0))
    with Loops(1) as one:
        time.sleep(1)
        full = one.rate()
    threads = [int(t) for t in o.t.split(",")]
    alone, beside, loops = ({t: [] for t in threads} for _ in range(3))
    for _ in range(o.r):
        for t in threads:
            alone[t].append(speed(exe, t, o.n))
            with Loops(cpus) as busy:
                beside[t].append(speed(exe, t, o.n))
                loops[t].append(busy.rate() / full)
    print(f"| threads | alone tok/s | beside {cpus} busy loops | share | a loop's share |\n| ---: | ---: | ---: | ---: | ---: |")
    for t in threads:
        a, b = statistics.median(alone[t]), statistics.median(beside[t])
        print(f"| {t} | {a:.1f} | {b:.1f} | {b / a:.2f} | {statistics.median(loops[t]):.2f} |")
    for name, tokens in (("one token", "5"), ("two tokens", "5,6")):
        times = sorted(start(exe, tokens) for _ in range(3 * o.r))
        print(f"start, {name}: median {statistics.median(times):.0f} ms, least {times[0]:.0f}")


if __name__ == "__main__":
    main()
