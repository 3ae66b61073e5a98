"""Executables whose weights were damaged: inspect, convert and verify refuse codes that are no trits, for every core."""
import re
import struct
import subprocess
import sys

CORES = ["i2", "columns", "columns5", "tl1", "tl2", "wide"]  # every byte of t5 stands for trits


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr + done.stdout


def good(*command):
    code, said = run(*command)
    if code:
        sys.exit(f"{' '.join(command)} ends with {code}: {said[-500:]}")
    return said


def damage(exe):
    """A line of codes of one matrix, of its last layer: whoever runs it gets finite numbers."""
    at, stride, layers = (int(re.search(rf"^body\.wo: .*{what}", good(exe, "info", "--tensors"), re.M)[1])
                          for what in (r" at (\d+) \+", r" at \d+ \+ (\d+)", r" (\d+) layers"))
    with open(exe, "r+b") as f:
        f.seek(-64, 2)
        pack = struct.unpack("<8Q", f.read())[1]  # of struct setun_footer
        f.seek(pack + 40)
        (data,) = struct.unpack("<Q", f.read(8))
        f.seek(pack + data + at + (layers - 1) * stride)
        f.write(b"\xff" * 64)


def main():
    models, folder = sys.argv[1:]
    for core in CORES:
        exe = f"{folder}/{core}"
        good("setun", "build", f"{models}/shakespeare", "--core", core, "-q", "-o", exe)
        commands = (["inspect", exe], ["convert", exe, "--to", "hf_u8", "-o", f"{folder}/x.safetensors"], ["verify", exe])
        for command in commands:
            good("setun", *command)
        damage(exe)
        for command in commands:
            code, said = run("setun", *command)
            if code != 3 or "its weights are damaged" not in said:
                sys.exit(f"{core}: {command[0]} ends with {code}: {said[-500:]}")


main()
