"""unpacks.py EXE: counts of a --count build, from `run`'s last line: tiles unpacked for prompts of 1 and 64 tokens."""
import re
import subprocess
import sys

TILES = 3 * (2 + 1 + 1 + 2 + 3 + 3 + 2)  # layers x (q, k, v, o, gate, up, down) of ceil(rows / 64)
LAST = 2 + 3 + 3 + 2  # in the last layer only live rows go on behind the cache writes: one row, which unpacks nothing


def tiles(prompt):
    ids = ",".join(str(i % 250) for i in range(prompt))
    done = subprocess.run([sys.argv[1], "run", "--tokens", ids, "-n", "1", "--temp", "0", "--ids"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=True)
    found = re.search(r"unpacked tiles: (\d+)", done.stdout)
    return int(found[1]) if found else 0


one, many = tiles(1), tiles(64)
print(f"1 row: {one}; 64 rows: {many} of {TILES - LAST}")
sys.exit(not (one == 0 and many == TILES - LAST))
