#!/usr/bin/env python3
"""pipe.py FAKE_EMBED: a program that writes a line and reads a vector, and then goes away."""
import subprocess
import sys

p = subprocess.Popen([sys.argv[1], "embed", "-q"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
for text in (b"one\n", b"two\n"):
    p.stdin.write(text)
    p.stdin.flush()
    assert len(p.stdout.readline().split()) == 24
p.stdout.close()
p.stdin.write(b"three\n")
p.stdin.close()
code, err = p.wait(timeout=10), p.stderr.read()
assert err == b"", err
print(f"a line, a vector; then {code}, and silence")
