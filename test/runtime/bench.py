"""Checks what `bench` prints of the fake model (fake_model.c), whose numbers are written down here a second time.

    bench.py table JSON CSV MD     three runs of `-p 20,100 -n 10 --pg 8,4 -t 1`
    bench.py kernels JSON CSV MD   three runs of `--kernels -p 20,100 -n 10 -t 2`
    bench.py active JSON           `--active 0.25 -p 20 -n 10`
    bench.py energy EXE FOLDER     runs it beside counters that go up by 3 joules a second
"""
import csv
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

# Rows of a step; bytes of a step's head, and of them skipped by a step of one row; bytes that a position keeps.
ROWS, WEIGHTS, SKIPPED, STATE = 64, 1200, 100, 8
TESTS = [("pp", 20, 0), ("pp", 100, 0), ("tg", 0, 10), ("pg", 8, 4)]


def expect(what, ok):
    if not ok:
        sys.exit(f"not as it should be: {what}")


def forms(paths):
    """Rows of the json and the csv form as dicts of texts, and the md form's as lists of cells."""
    with open(paths[0], encoding="utf-8") as f:
        from_json = json.load(f)
    with open(paths[1], encoding="utf-8", newline="") as f:
        from_csv = list(csv.DictReader(f))
    lines = pathlib.Path(paths[2]).read_text(encoding="utf-8").splitlines()
    md = [[c.strip() for c in line.strip("|").split("|")] for line in lines]
    expect("as many rows in each form", len(from_json) == len(from_csv) == len(md) - 2)
    for a, b in zip(from_json, from_csv):
        expect(f"columns {list(a)} and {list(b)}", list(a) == list(b))
    expect("as many cells in each line of md", len({len(line) for line in md}) == 1)
    return from_json, from_csv, md


def bytes_of(prompt, predict, skipped=SKIPPED):
    """What a token reads, of all and of ternary weights (each step has them): all are the head's here, and of a prompt only
    the last step has a live row; and what earlier positions keep."""
    starts = range(0, prompt, ROWS)
    steps = len(starts) + predict
    kept = sum(starts) + sum(prompt + i for i in range(predict))
    skips = skipped * (predict + (prompt % ROWS == 1))
    heads = (predict + (prompt > 0)) * WEIGHTS - skips
    return (heads + kept * STATE) / (prompt + predict), (steps * WEIGHTS - skips) / (prompt + predict)


def table(paths):
    from_json, _, md = forms(paths)
    expect("one row a test", [(r["test"], r["prompt"], r["predict"]) for r in from_json] == TESTS)
    expect("names in md", [line[0] for line in md[2:]] == ["pp20", "pp100", "tg10", "pp8+tg4"])
    for row in from_json:
        every, ternary = bytes_of(row["prompt"], row["predict"])
        expect(f"{row['test']} reads {every}, {ternary}",
               abs(row["bytes_token"] - every) <= 0.51 and abs(row["ternary_bytes_token"] - ternary) <= 0.51)
        speed = every * row["tok_s_median"] / 1e9
        expect(f"{row['test']}: {speed} GB/s", abs(row["gb_s"] - speed) <= 0.01 + 0.01 * speed)
        share = row["gb_s"] / row["read_gb_s"]
        expect(f"{row['test']}: share {share}", row["share"] <= 4 * share + 0.02 and share <= 4 * row["share"] + 0.02)
        expect("no energy", "j_token" not in row)


def kernels(paths):
    from_json, from_csv, md = forms(paths)
    expect("two kernels and their sum a test", [(r["test"], r["prompt"], r["kernel"]) for r in from_json] ==
           [(t, p, k) for t, p, _ in TESTS[:3] for k in ("body.0:h", "generate:logits", "a step")])
    expect("lines", [r["line"] for r in from_json] == 3 * [7, None, None])
    expect("no line is an empty cell", [r["line"] for r in from_csv][:3] == ["7", "", ""] and md[3][3] == "")
    for i in range(0, 9, 3):
        body, head, step = from_json[i:i + 3]
        expect(f"parts of {step['ms']} ms", 0 < body["ms"] + head["ms"] < 3 * step["ms"] + 0.001)
        expect("shares", step["share"] == 1 and abs(head["share"] - head["ms"] / step["ms"]) < 0.01 + 0.0002 / step["ms"])
        every, _ = bytes_of(step["prompt"], step["predict"])
        steps = -(-step["prompt"] // ROWS) + step["predict"]
        every *= (step["prompt"] + step["predict"]) / steps
        expect(f"bytes {body['bytes']}, of a step {every}",
               head["bytes"] == (WEIGHTS - SKIPPED if step["predict"] else WEIGHTS / steps) and
               abs(step["bytes"] - every) <= 0.51 and abs(body["bytes"] + head["bytes"] - every) <= 0.51)
        expect("runs", body["runs"] == head["runs"] == step["runs"] == 1)


def active(paths):
    with open(paths[0], encoding="utf-8") as f:
        prompt, predict = json.load(f)
    expect(f"many rows skip nothing: {prompt}", prompt["ternary_bytes_token"] == WEIGHTS / 20)
    every, ternary = bytes_of(0, 10, WEIGHTS * 3 // 4)
    expect(f"a quarter: {predict}", (predict["bytes_token"], predict["ternary_bytes_token"]) == (every, ternary))


ZONES = {  # microjoules a second; only the first two are to be added up
    "intel-rapl:0": ("package-0", 2000000), "intel-rapl:0:2": ("dram", 1000000),
    "intel-rapl:0:0": ("core", 70000000), "intel-rapl:1": ("psys", 50000000), "intel-rapl-mmio:0": ("package-0", 2000000),
}
RANGE = 700000  # a little more than three repetitions: counters begin anew in some of them


def count(root, over):
    files = {z: os.open(root / z / "energy_uj", os.O_WRONLY) for z in ZONES}
    start = time.monotonic()
    while not over.wait(0.001):
        for zone, fd in files.items():
            at = int((time.monotonic() - start) * ZONES[zone][1]) % RANGE
            os.pwrite(fd, b"%012d\n" % at, 0)


def energy(exe, folder):
    root = pathlib.Path(folder)
    for zone, (name, _) in ZONES.items():
        (root / zone).mkdir(parents=True, exist_ok=True)
        (root / zone / "name").write_text(name + "\n", encoding="ascii")
        (root / zone / "max_energy_range_uj").write_text(f"{RANGE}\n", encoding="ascii")
        (root / zone / "energy_uj").write_text("000000000000\n", encoding="ascii")
    over = threading.Event()
    counter = threading.Thread(target=count, args=(root, over))
    counter.start()
    run = subprocess.run([exe, "bench", "-p", "0", "-n", "5", "-r", "9", "-t", "1", "-o", "json"], check=False,
                         env={**os.environ, "SETUN_POWERCAP": folder}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    over.set()
    counter.join()
    expect(f"code {run.returncode}: {run.stderr}", run.returncode == 0 and b"J/token" not in run.stderr)
    row = json.loads(run.stdout)[0]
    wanted = 3 / row["tok_s_median"]
    expect(f"{row['j_token']} joules a token, not {wanted}", 0.7 * wanted < row["j_token"] < 1.4 * wanted)


if sys.argv[1] == "energy":
    energy(*sys.argv[2:])
else:
    {"table": table, "kernels": kernels, "active": active}[sys.argv[1]](sys.argv[2:])
