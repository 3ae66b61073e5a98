#!/usr/bin/env python3
"""Longer runs, by name: ./dev campaign NAME [ARGUMENTS]; without a name, the list."""
import argparse
import glob
import json
import os
import platform
import random
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def has_fma():
    if platform.machine() != "x86_64":
        return False
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
        return " fma " in f.read()


def ulp(build, extra):
    """errors of the elementary functions over all inputs (docs/numerics.md)"""
    program = os.path.join(build, "ulp")
    flags = ["-std=c17", "-D_GNU_SOURCE", "-O2", "-ffp-contract=off", "-I", ROOT] + (["-mfma"] if has_fma() else [])
    sources = [os.path.join(ROOT, p) for p in ("test/campaign/ulp.c", "ir/num.c")]
    libraries = ["-lmpfr", "-lgmp", "-lm", "-lpthread"]
    subprocess.run([os.environ.get("CC", "cc")] + flags + sources + ["-o", program] + libraries, check=True)
    return subprocess.run([program] + extra, check=False).returncode


# ---- more builds ----


def newest(tool):
    """clang-19 or the like, newest of 22..19, then the plain name; None: not here."""
    return next((found for n in (22, 21, 20, 19, None) if (found := shutil.which(f"{tool}-{n}" if n else tool))), None)


def skip(why):
    print(f"SKIP: {why}")
    return 0


def cached(build, key):
    with open(os.path.join(build, "CMakeCache.txt"), encoding="utf-8") as f:
        return next((line.rstrip("\n").split("=", 1)[1] for line in f if line.startswith(key + ":")), "")


def configure(build, llvm_dir, *options, targets=()):
    """Configures and builds the folder BUILD."""
    options = [f"-DLLVM_DIR={llvm_dir}", *options]
    subprocess.run(["cmake", "-S", ROOT, "-B", build, "-G", "Ninja", *options], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", build, "--quiet", *targets], check=True)


def suites(build, extra, **env):
    runner = [sys.executable, os.path.join(ROOT, "test", "run.py"), "--build", build]
    return subprocess.run(runner + extra, check=False, env={**os.environ, **env}).returncode


def sanitize(build, extra):
    """the suites under ASan and UBSan, leaks included"""
    folder = build + "-sanitize"
    configure(folder, cached(build, "LLVM_DIR"), "-DSETUN_SANITIZE=ON")
    return suites(folder, ["--slower", "8"] + extra, ASAN_OPTIONS="detect_leaks=1", UBSAN_OPTIONS="print_stacktrace=1")


def llvm(build, extra):
    """the suites with every LLVM of 19 to 22 that has headers here: [PREFIX...] [-- ARGUMENTS of test/run.py]"""
    cut = extra.index("--") if "--" in extra else len(extra)
    prefixes = extra[:cut] or [f"/usr/lib/llvm-{v}" for v in range(19, 23)]
    failed = []
    for prefix in prefixes:
        if not os.path.exists(os.path.join(prefix, "include", "llvm-c", "Core.h")):
            skip(f"no headers in {prefix}")
            continue
        folder = f"{build}-{os.path.basename(prefix)}"
        configure(folder, os.path.join(prefix, "lib", "cmake", "llvm"))
        if suites(folder, extra[cut + 1 :]):
            failed.append(prefix)
    print("LLVM: " + (f"FAILED: {', '.join(failed)}" if failed else "passed"))
    return 1 if failed else 0


# ---- reading of the sources ----


def tidy(build, _):
    """clang-tidy over every C file of ours, warnings are errors"""
    program = newest("clang-tidy")
    if not program:
        return skip("no clang-tidy")
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as f:
        files = {os.path.normpath(os.path.join(c["directory"], c["file"])) for c in json.load(f)}
    files = sorted(p for p in files if p.startswith(ROOT) and not p.startswith(os.path.realpath(build) + os.sep))
    command = [program, "--quiet", "-p", build]
    failed, running = [], []
    while files or running:
        while files and len(running) < (os.cpu_count() or 1):
            running.append((files[0], subprocess.Popen(command + [files.pop(0)], stderr=subprocess.DEVNULL)))
        path, process = running.pop(0)
        if process.wait():
            failed.append(os.path.relpath(path, ROOT))
    print("tidy: " + (f"FAILED: {', '.join(failed)}" if failed else "clean"))
    return 1 if failed else 0


# ---- random inputs ----


def programs(build, extra):
    """random programs from a random seed on, through passes and machine code: [SECONDS], 600 if not given"""
    generator = os.path.join(build, "test", "setun-gen")
    end = time.time() + float(extra[0] if extra else 600)
    seed = first = random.SystemRandom().randrange(1 << 40)
    while time.time() < end:
        for check in (["--check", f"{seed}", f"{seed + 50}"], ["--compile", f"{seed}", f"{seed + 10}"]):
            if subprocess.run([generator, *check], check=False, stdout=subprocess.DEVNULL).returncode:
                print(f"programs: FAILED: setun-gen {' '.join(check)}")
                return 1
        seed += 50
    print(f"programs: {seed - first} passed, from seed {first} on")
    return 0


def templates(build, extra):
    """random chat templates from a random seed on, the engine against jinja2: [COUNT], 20000 if not given"""
    python = os.environ.get("SETUN_PY", os.path.join(build, "py/bin/python"))
    if subprocess.run([python, "-c", "import jinja2"], stderr=subprocess.DEVNULL, check=False).returncode:
        return skip("no jinja2; ./dev py installs it")
    env = {**os.environ, "PATH": os.path.join(build, "test") + os.pathsep + os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    seed = random.SystemRandom().randrange(1 << 40)
    command = [python, "-W", "ignore", os.path.join(ROOT, "test/jinja/random_templates.py"), f"{seed}", extra[0] if extra else "20000"]
    code = subprocess.run(command, check=False, env=env).returncode
    print(f"templates: {'FAILED' if code else 'passed'}, from seed {seed} on")
    return code


def fuzz(build, extra):
    """fuzz targets of the readers under ASan and UBSan: [SECONDS] each, 60 if not given"""
    clang = newest("clang")
    if not clang:
        return skip("no clang")
    sys.path.insert(0, os.path.join(ROOT, "test", "fuzz"))
    sys.dont_write_bytecode = True
    import seeds

    folder = build + "-fuzz"
    llvm_dir = cached(build, "LLVM_DIR")
    targets = sorted(os.path.splitext(os.path.basename(p))[0] for p in glob.glob(os.path.join(ROOT, "test/fuzz/*_fuzz.c")))
    configure(folder, llvm_dir, f"-DCMAKE_C_COMPILER={clang}", "-DSETUN_SANITIZE=ON", "-DSETUN_FUZZ=ON", targets=targets)
    failed = []
    for name in targets:
        corpus = os.path.join(folder, "corpus", name)
        os.makedirs(corpus, exist_ok=True)
        for file, content in seeds.seeds(name).items():
            with open(os.path.join(corpus, file), "wb") as f:
                f.write(content)
        seconds = f"-max_total_time={extra[0] if extra else 60}"
        command = [os.path.join(folder, "test", name), seconds, "-timeout=10", "-rss_limit_mb=3000", "-print_final_stats=1", corpus]
        done = subprocess.run(command, check=False, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        runs = re.search(r"number_of_executed_units: (\d+)", done.stdout)
        print(f"{name}: {runs[1] if runs else 'unknown number of'} inputs, exit {done.returncode}", flush=True)
        if done.returncode:
            print(done.stdout[-6000:])
            failed.append(name)
    print("fuzz: " + (f"FAILED: {', '.join(failed)}" if failed else "passed"))
    return 1 if failed else 0


def mutants(build, extra):
    """structure-aware mutants of the files of strangers, under ASan and UBSan: [COUNT] a format, 20000 if not given"""
    folder = build + "-sanitize"
    configure(folder, cached(build, "LLVM_DIR"), "-DSETUN_SANITIZE=ON", targets=["setun-mutate"])
    command = [os.path.join(folder, "test", "setun-mutate"), "--count", extra[0] if extra else "20000"]
    return subprocess.run(command, check=False).returncode


# ---- beside other programs ----


def tokenizers(build, extra):
    """every tokenizer family beside its package, on every Unicode scalar value and 100,000 strings more: [FAMILY...]"""
    python = os.environ.get("SETUN_PY", os.path.join(build, "py", "bin", "python"))
    folder = os.path.join(ROOT, "test", "tokenizers")
    tok, failed = os.path.join(os.path.abspath(build), "test", "setun-tok"), []
    listed = subprocess.run([python, os.path.join(folder, "compare.py"), "--list"], check=True, stdout=subprocess.PIPE, text=True)
    for family in extra or listed.stdout.split():
        seed = str(random.SystemRandom().randrange(1 << 30))
        command = [python, os.path.join(folder, "compare.py"), tok, family, "--seed", seed]
        if subprocess.run(command, check=False, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}).returncode:
            failed.append(f"{family} --seed {seed}")
    print("tokenizers: " + (f"FAILED: {', '.join(failed)}" if failed else "passed"))
    return 1 if failed else 0


def screen(build, extra):
    """the bound of the screened head on a million rows in exact arithmetic, from a random seed on: [ROWS]"""
    program, seed = os.path.join(build, "test", "screen_test"), str(random.SystemRandom().randrange(1 << 40))
    failed = subprocess.run([program, extra[0] if extra else "1000000", seed], check=False).returncode
    print(f"screen: {'FAILED' if failed else 'passed'}, seed {seed}")
    return 1 if failed else 0


def big_model(build, extra):
    """a model of 2B4T's size: time and memory of the build, speed of the executable (bench/RESULTS.md)"""
    sys.dont_write_bytecode = True  # the tree stays as it is
    import big  # beside this file, as python3 run.py finds it
    return big.run(ROOT, build, extra[0] if extra else None)


CAMPAIGNS = {"ulp": ulp, "programs": programs, "templates": templates, "fuzz": fuzz, "mutants": mutants, "sanitize": sanitize,
             "llvm": llvm, "tidy": tidy, "tokenizers": tokenizers, "screen": screen, "big": big_model}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("name", nargs="?")
    args, extra = parser.parse_known_args()
    if args.name not in CAMPAIGNS:
        for name, run in CAMPAIGNS.items():
            print(f"{name:12} {run.__doc__}")
        return 2 if args.name else 0
    return CAMPAIGNS[args.name](args.build, extra)


if __name__ == "__main__":
    sys.exit(main())
