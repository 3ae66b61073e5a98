#!/usr/bin/env python3
"""exits.py CODE COMMAND...: succeeds if the command ends with that code; its output goes through, errors too."""
import subprocess
import sys

done = subprocess.run(sys.argv[2:], stderr=subprocess.STDOUT)
if done.returncode != int(sys.argv[1]):
    sys.exit(f"exit code {done.returncode} instead of {sys.argv[1]}: {' '.join(sys.argv[2:])}")
