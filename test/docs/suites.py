"""Prints each suite of test/run.py with its limit in seconds, then each campaign of test/campaign/run.py."""
import importlib.util
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def load(path):
    path = os.path.join(HERE, "..", path)
    sys.path.insert(0, os.path.dirname(path))  # as if it were started
    spec = importlib.util.spec_from_file_location("runner", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


for name, limit in load("run.py").SUITES:
    print(name, limit)
for name in load("campaign/run.py").CAMPAIGNS:
    print(name)
