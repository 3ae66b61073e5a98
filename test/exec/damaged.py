"""Executables whose weights were damaged: inspect, convert and verify refuse codes that are no trits, for every core."""
import subprocess
import sys

CORES = ["i2", "columns", "tl1", "tl2", "wide"]  # every byte of t5 stands for trits


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


def main():
    models, folder = sys.argv[1:]
    for core in CORES:
        exe = f"{folder}/{core}"
        built = run("setun", "build", f"{models}/shakespeare", "--core", core, "-q", "-o", exe)
        if built.returncode:
            sys.exit(built.stderr)
        with open(exe, "r+b") as f:
            f.seek(-400_000, 2)  # inside the last layers: the data section is at the end
            f.write(b"\xff" * 300_000)
        for command in (["inspect", exe], ["convert", exe, "--to", "hf_u8", "-o", f"{folder}/x.safetensors"], ["verify", exe]):
            done = run("setun", *command)
            own_run = command[0] == "verify" and done.returncode == 7  # the executable's own run ended before
            if not own_run and (done.returncode != 3 or "damaged" not in done.stderr):
                sys.exit(f"{core}: {command[0]} ends with {done.returncode}: {done.stderr}{done.stdout[-300:]}")


main()
