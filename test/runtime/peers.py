"""peers.py SCRIPT EXE FAKE-PEER FOLDER: bench/peers.py beside what it must say."""
import json
import os
import pathlib
import statistics
import subprocess
import sys

SCRIPT, EXE, PEER, FOLDER = sys.argv[1:5]
FOLDER = pathlib.Path(FOLDER)


def expect(what, ok):
    if not ok:
        sys.exit(f"not as it should be: {what}")


def peers(*words, **env):
    return subprocess.run([sys.executable, SCRIPT, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False, env={**os.environ, **env})


def main():
    for name in ("one", "two", "FAIL"):
        (FOLDER / name).touch()
    ours = ("--setun", "ours", EXE)
    two = [word for name in ("one", "two") for word in ("--peer", name, PEER, str(FOLDER / name))]
    sizes = ("-t", "1,2", "-p", "8", "-n", "4", "--rounds", "2")
    done = peers(*ours, *two, *sizes, "--peer-args", "-fa 1", "--cpu", "plain", "-o", "json")
    expect(f"code {done.returncode}: {done.stderr}", done.returncode == 0)
    told = json.loads(done.stdout)
    expect("the machine and the level", told["machine"]["cpus"] > 0 and told["machine"]["level"] == "plain")
    rows = {(r["name"], r["test"], r["threads"]): r for r in told["results"]}
    expect(f"a row each: {list(rows)}", set(rows) == {(n, k, t) for n in ("ours", "one", "two")
                                                      for k in ("pp8", "tg4") for t in (1, 2)})
    for (name, test, threads), r in rows.items():
        first = rows["ours", test, threads]
        expect("two rounds", len(r["tok_s"]) == 2 and r["median"] == statistics.median(r["tok_s"]))
        ratio = statistics.median(a / b for a, b in zip(first["tok_s"], r["tok_s"]))
        expect(f"ratio {r['ratio']} is {ratio}", abs(r["ratio"] - ratio) < 1e-9 * ratio)
        if name in ("one", "two"):
            expect("the peer's speed", r["tok_s"] == 2 * [(1000 if test == "pp8" else 100) * threads])
        else:
            expect("our read bandwidth", r["read_gb_s"] > 0)
    calls = (FOLDER / "calls").read_text(encoding="utf-8").split("\n")[:-1]
    expect(f"{len(calls)} calls, flags passed on", len(calls) == 16 and all(c.endswith(" 1") for c in calls))
    expect("the order changes", [calls[0].split()[0], calls[8].split()[0]] == ["one", "two"])

    done = peers(*ours, *two[:4], "--peer", "broken", PEER, str(FOLDER / "FAIL"), "-t", "1", "-p", "0", "-n", "4",
                 "--rounds", "2")
    expect("a peer that fails is told, and the others are measured", done.returncode == 1 and
           "code 1: error: cannot load the model" in done.stderr and "| tg4 | 1 | broken | failed |" in done.stdout and
           "| tg4 | 1 | one | 100.00 | 100.00 - 100.00 |" in done.stdout and "| pp" not in done.stdout)
    done = peers(*ours, "--peer", "none", PEER, str(FOLDER / "none"))
    expect("what is not there is told", done.returncode == 1 and "none: no such file" in done.stderr)
    done = peers(*ours, "-t", "1", "-p", "0", "-n", "4", "--rounds", "1", "--cpu", "nosuch")
    expect("an unknown level is told", done.returncode == 1 and "nosuch" in done.stderr)


main()
