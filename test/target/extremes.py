"""extremes.py MODELS OUT QEMU: the bundled model with numbers at the ends of bf16 in its norms, tables and scales, for x86-64
and aarch64: text, logits, messages and exit codes are the same on every CPU, with any number of threads.

Two kinds: one where values stay finite (denormals, zeros of both signs, rows of either, large gains), and one where they do
not, and both end with code 7 at the same position, layer and kernel.
"""
import json
import os
import re
import shutil
import struct
import subprocess
import sys

QUIET = [0x0000, 0x8000, 0x0001, 0x8001, 0x007F, 0x0080, 0x1F80, 0x2000, 0x477F, 0x4780, 0x4F00]  # +-0, denormals, 2^-64 .. 2^31
LOUD = QUIET + [0x5F00, 0xDF00, 0x7F7F, 0xFF7F]                                                  # +-2^63, the largest
#        seed, numbers, cache, core, activation, words of the command
TRIALS = [(1, QUIET, "int8", "columns", "relu2", "--temp 0 -n 100"),
          (2, QUIET, "f16", "t5", "gelu", "--temp 1.3 --seed 5 -n 12"),
          (3, LOUD, "f32", "tl1", "tanh", "--temp 0 -n 8")]


class Draw:
    """Numbers below n, the same everywhere (random.py beside this is another module)."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % n

    def choice(self, numbers):
        return numbers[self.below(len(numbers))]


def changed(header, data, seed, numbers):
    draw, data = Draw(seed), bytearray(data)
    for name, tensor in header.items():
        if name == "__metadata__" or tensor["dtype"] != "BF16":
            continue
        n, at = (tensor["data_offsets"][1] - tensor["data_offsets"][0]) // 2, tensor["data_offsets"][0]
        if name.endswith("weight_scale"):
            if draw.below(5) == 0:
                struct.pack_into("<H", data, at, draw.choice([0x0100, 0x1F80, 0x4000]))
            continue
        for _ in range(n // 50):
            struct.pack_into("<H", data, at + 2 * draw.below(n), draw.choice(numbers))
        if "embed" in name:
            for row in range(draw.below(20), tensor["shape"][0], 20):
                width = tensor["shape"][1]
                struct.pack_into(f"<{width}H", data, at + 2 * row * width, *[draw.choice([0, 0x8000, 0x0040, 0x807F])] * width)
    return data


def write(models, folder, seed, numbers):
    os.makedirs(folder)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(f"{models}/shakespeare/{name}", folder)
    with open(f"{models}/shakespeare/model.safetensors", "rb") as f:
        head = f.read(struct.unpack("<Q", f.read(8))[0])
        data = changed(json.loads(head), f.read(), seed, numbers)
    with open(f"{folder}/model.safetensors", "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head + data)


def run(command, logits):
    if os.path.exists(logits):
        os.remove(logits)
    done = subprocess.run(command + ["--logits", logits], capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if not re.search(r"tok/s|^note: \d+ threads", line)]
    values = b""
    if os.path.exists(logits):
        with open(logits, "rb") as f:
            values = f.read()
    return done.returncode, done.stdout, said, values


def main():
    models, out, qemu = sys.argv[1:]
    with open(f"{models}/bitnet-b1.58.stn", encoding="utf-8") as f:
        page = f.read()
    for seed, numbers, cache, core, act, words in TRIALS:
        folder = f"{out}/{seed}"
        write(models, f"{folder}/w", seed, numbers)
        with open(f"{folder}/m.stn", "w", encoding="utf-8") as f:
            f.write(page.replace("relu2(gate @ b)", f"{act}(gate @ b)"))
        subprocess.run(["setun", "build", f"{folder}/m.stn", "--weights", f"{folder}/w", "--set", f"kv={cache}", "--set", "context=32",
                        "--core", core, "--head", "full", "--target", "x86-64,aarch64", "-o", f"{folder}/exe", "-q"], check=True)
        command = ["run", "-p", "To be or not to be", *words.split()]
        want = run([f"{folder}/exe.x86-64", *command, "-t", "1"], f"{folder}/l")
        if want[0] != (7 if numbers is LOUD else 0):
            sys.exit(f"trial {seed} ends with {want[0]}: {want[2]}")
        for cpu, threads in (("cortex-a53", "2"), ("cortex-a76", "1"), ("max,pauth-impdef=on", "2")):
            got = run([qemu, "-cpu", cpu, f"{folder}/exe.aarch64", *command, "-t", threads], f"{folder}/l")
            if got != want:
                sys.exit(f"trial {seed} on {cpu}: {got[:3]}, x86-64 has {want[:3]}; logits {'equal' if got[3] == want[3] else 'differ'}")
    print(f"{len(TRIALS)} models: the same")


main()
