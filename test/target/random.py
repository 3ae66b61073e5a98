"""random.py GEN CC ARCHIVE LIBS QEMU OUT FROM TO CPU...: random programs for aarch64 under an emulator, on CPUs in turn.

GEN, setun-gen, compiles each program and writes the interpreter's logits; CC links it with the runtime and
test/target/program.c, which runs it at every level that the emulated CPU has.  Each program meets all CPUs.
"""
import os
import subprocess
import sys


def main():
    gen, cc, archive, libs, qemu, out, first, end = sys.argv[1:9]
    cpus = sys.argv[9:]
    here = os.path.dirname(os.path.abspath(__file__))
    root = os.path.join(here, "..", "..")
    os.makedirs(out, exist_ok=True)
    subprocess.run([gen, "--compile-for", "aarch64", first, end, out], check=True)
    sources = [os.path.join(here, "program.c"), os.path.join(root, "test", "gen", "native.c")]
    runs = 0
    for seed in range(int(first), int(end)):
        stem = os.path.join(out, str(seed))
        subprocess.run(cc.split() + ["-O1", "-static", "-o", stem] + sources + [stem + ".o", archive] + libs.split(), check=True)
        for cpu in cpus:
            done = subprocess.run([qemu, "-cpu", cpu, stem, stem + ".data", stem + ".want"], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                print(f"on {cpu}: {done.stdout}{done.stderr}")
                return 1
            runs += int(done.stdout.split()[2])
        for suffix in ("", ".o", ".data", ".want"):
            os.remove(stem + suffix)
    print(f"{int(end) - int(first)} programs, {runs} runs on {len(cpus)} CPUs: all bits equal")
    return 0


sys.exit(main())
