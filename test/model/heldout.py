"""heldout.py TEXT OUT: the last tenth of the text, cut behind a newline, as training cut it."""
import pathlib
import sys

text = pathlib.Path(sys.argv[1]).read_bytes()
cut = text.rfind(b"\n", 0, len(text) * 9 // 10) + 1
pathlib.Path(sys.argv[2]).write_bytes(text[cut:])
