"""loss.py LOSSES KEY PPL: `ppl`'s output against the recorded loss, within 0.5 %, on the same number of tokens."""
import json
import pathlib
import re
import sys

losses = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
want, text = losses[sys.argv[2]], pathlib.Path(sys.argv[3]).read_text(encoding="utf-8")
tokens, nats = int(re.search(r"tokens: (\d+)", text)[1]), float(re.search(r"nats/token: ([0-9.]+)", text)[1])
print(f"{tokens} tokens, {nats} nats a token; PyTorch: {want['tokens']}, {want['nats_per_token']}")
ok = tokens == want["tokens"] and abs(nats / want["nats_per_token"] - 1) < 0.005
if sys.argv[2] == "heldout":
    ok = ok and nats < losses["kneser_ney"]["nats_per_token"]
sys.exit(not ok)
