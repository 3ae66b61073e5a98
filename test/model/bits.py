"""bits.py EXE SETUN MODELS DIR: logits of 150 tokens, every way of computing them, against the interpreter's."""
import itertools
import os
import pathlib
import subprocess
import sys

exe, setun, models, top = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), pathlib.Path(sys.argv[4])
here = pathlib.Path(__file__).parent
ids = [1022] + [(i * 37 + i * i * 11) % 1022 for i in range(149)]
tokens = ",".join(map(str, ids))


def logits(command, name, env=None):
    path = top / name
    subprocess.run(command + ["--tokens", tokens, "-n", "1", "--temp", "0", "--ids", "-q", "--logits", str(path)],
                   env={**os.environ, **(env or {})}, stdout=subprocess.DEVNULL, check=True)
    return path.read_bytes()


want = logits([setun, "run", str(models / "bitnet-b1.58.stn"), "--weights", str(models / "shakespeare"), "--interp"], "interp")
assert len(want) == 4 * 1024 * len(ids), len(want)
levels = [line.split()[0] for line in subprocess.check_output([setun, "levels"], text=True).splitlines()]
runs = 0
for level, threads, chunk in itertools.product(levels, (1, 2, 3), (1, 7, 64)):
    try:
        got = logits([exe, "run", "-t", str(threads), "--chunk", str(chunk)], "native", {"SETUN_CPU": level})
    except subprocess.CalledProcessError as failed:
        if failed.returncode != 9:
            raise
        print(f"SKIP: this machine does not run {level}")
        continue
    if got != want:
        at = next(i for i in range(0, len(want), 4) if got[i:i + 4] != want[i:i + 4]) // 4
        sys.exit(f"{level}, {threads} threads, chunks of {chunk}: position {at // 1024}, logit {at % 1024} differs")
    runs += 1
print(f"{runs} ways equal to the interpreter")

ir = top / "maths.sir"
subprocess.run([setun, "build", str(models / "bitnet-b1.58.stn"), "--weights", str(models / "shakespeare"), "--emit", "ir", "-o", str(ir)], check=True)
few = 48
subprocess.run([sys.executable, str(here.parent / "ref" / "evaluator.py"), str(ir), "--weights", str(models / "shakespeare"), "--tokens",
                ",".join(map(str, ids[:few])), "--logits", str(top / "second"), "--chunk", "48"], stdout=subprocess.DEVNULL, check=True)
if (top / "second").read_bytes() != want[:4 * 1024 * few]:
    sys.exit("the second evaluator's logits differ")
print("the second evaluator agrees")
