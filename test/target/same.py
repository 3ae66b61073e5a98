"""same.py QEMU OURS THEIRS OUT: the same commands on two executables, the second under QEMU; what they write is the same.

The executables are of one model and one pack, for two targets.  Standard output, the exit code and every file that is
written must be equal; standard error too, but for what it says of time.
"""
import filecmp
import os
import re
import subprocess
import sys

COMMANDS = [
    "run --tokens 3,7,1,297,0,12,12,250,9 -n 40 --seed 7 --logits l",
    "run --tokens 3,7,1 -n 30 --temp 1.3 --top-k 20 --top-p 0.9 --min-p 0.01 --repeat-penalty 1.2 --seed 3 --ids -t 3",
    "run --tokens 5,6,7,8,9,10,11,12,13,14,15 -n 0 --chunk 7 -t 2 --trace t",
    "run --prompt h\u00e9llo\u00a0w\u00f6rld -n 5 --temp 0 --prompt-cache c",
    "run --prompt h\u00e9llo\u00a0w\u00f6rld\u00a0ag -n 5 --temp 0 --prompt-cache c",
    "run --tokens 299 -n 1",
    "run -p x -n 4 --copy-weights",
    "ppl --tokens 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16",
    "info --tensors --model --ir --verify",
    "run --nonsense",
    "selftest -t 3",
]


def plain(text):
    """What of standard error does not change from run to run."""
    return [re.sub(r"[0-9.]+ (tok/s|ms|s)\b", "N", line) for line in text.splitlines() if "tokens a second" not in line]


def run(prefix, exe, folder, words):
    os.makedirs(folder, exist_ok=True)
    return subprocess.run(prefix + [exe] + words, cwd=folder, capture_output=True, text=True, check=False)


def main():
    qemu, ours, theirs, out = sys.argv[1:]
    bad = 0
    for command in COMMANDS:
        words = [w.replace("\u00a0", " ") for w in command.split(" ")]
        folders = [os.path.join(out, side) for side in ("ours", "theirs")]
        a, b = run([], ours, folders[0], words), run(qemu.split(), theirs, folders[1], words)
        same = a.returncode == b.returncode and a.stdout == b.stdout and plain(a.stderr) == plain(b.stderr)
        names = [sorted(os.listdir(f)) for f in folders]
        same = same and names[0] == names[1]
        same = same and not filecmp.cmpfiles(*folders, names[0], shallow=False)[1]
        if not same:
            bad += 1
            print(f"differ: {command}\n{a.returncode} {a.stdout!r} {a.stderr!r}\n{b.returncode} {b.stdout!r} {b.stderr!r}")
    print(f"{len(COMMANDS) - bad} of {len(COMMANDS)} commands do the same")
    return 1 if bad else 0


sys.exit(main())
