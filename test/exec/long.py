"""long.py SETUN PAGE FOLDER: logits of the ids in FOLDER/ids, row by row and many rows together, for each type of cache."""
import subprocess
import sys

setun, page, folder = sys.argv[1:]
ids = open(f"{folder}/ids", encoding="utf-8").read().strip()


def logits(kv, name, *how):
    command = [f"{folder}/{kv}.exe", "run", "--tokens", ids, "-n", "1", "--temp", "0", "-q", "--ids", "-c", "2304"]
    subprocess.run(command + ["--logits", f"{folder}/{name}", *how], check=True, stdout=subprocess.DEVNULL)
    return open(f"{folder}/{name}", "rb").read()


for kv in ("f16", "int8"):
    subprocess.run([setun, "build", page, "--weights", f"{folder}/checkpoint", "--set", f"kv={kv}", "-q",
                    "-o", f"{folder}/{kv}.exe"], check=True)
    alone = logits(kv, "alone", "--chunk", "1", "-t", "2")
    assert len(alone) >= 2200 * 50 * 4, len(alone)
    for how in (["-t", "1"], ["-t", "2"], ["--chunk", "100", "-t", "3"]):
        assert logits(kv, "together", *how) == alone, (kv, how)
