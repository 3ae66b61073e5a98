#!/usr/bin/env python3
"""Prints what llama-bench prints for `-o json`: 100 tokens a second a thread, ten times that for a prompt.  With FAIL in
the model's name it fails; every call is a line of the file beside the model."""
import json
import pathlib
import sys

flags = dict(zip(sys.argv[1::2], sys.argv[2::2]))
model = pathlib.Path(flags["-m"])
p, n, t = int(flags["-p"]), int(flags["-n"]), int(flags["-t"])
with open(model.parent / "calls", "a", encoding="utf-8") as f:
    f.write(f"{model.name} {p} {n} {t} {flags.get('-fa', '-')}\n")
if "FAIL" in model.name:
    sys.exit("error: cannot load the model")
print(json.dumps([{"n_prompt": p, "n_gen": n, "n_threads": t, "avg_ts": 1000 * t if p else 100 * t}]))
