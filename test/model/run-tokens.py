"""run-tokens.py EXE TOKENS LOGITS: logits of the ids in a file."""
import pathlib
import subprocess
import sys

exe, tokens, out = sys.argv[1:]
ids = pathlib.Path(tokens).read_text(encoding="ascii").strip()
subprocess.run([exe, "run", "--tokens", ids, "-n", "1", "--temp", "0", "--ids", "-q", "--logits", out], check=True, stdout=subprocess.DEVNULL)
