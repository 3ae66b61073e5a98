# lit's configuration: text in, text out.  Run by ctest, or by hand: lit --param objroot=build test
import glob
import os
import platform
import shutil
import subprocess

import lit.formats

config.name = "setun"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".stn", ".sir", ".test"]
config.excludes = ["Inputs", "gen", "unit", "ref", "campaign", "fuzz"]
config.test_source_root = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(config.test_source_root)
objroot = os.path.abspath(lit_config.params.get("objroot", os.path.join(root, "build")))
config.test_exec_root = os.path.join(objroot, "test")

llvm_tools = lit_config.params.get("llvm_tools", "")
config.environment["PATH"] = os.pathsep.join(
    [os.path.join(objroot, "tools"), os.path.join(objroot, "test"), llvm_tools, config.environment.get("PATH", "")])
for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "SETUN_CPU"):
    if name in os.environ:
        config.environment[name] = os.environ[name]
config.environment["LC_ALL"] = "C.UTF-8"
config.environment["PYTHONDONTWRITEBYTECODE"] = "1"


def has(python, module):
    return subprocess.run([python, "-c", f"import {module}"], stderr=subprocess.DEVNULL, check=False).returncode == 0


# %python has numpy: the distribution's, or whichever comes first.
pythons = [p for p in ("python3", "/usr/bin/python3") if has(p, "numpy")]
config.substitutions.append(("%python", pythons[0] if pythons else "python3"))
if pythons:
    config.available_features.add("numpy")

# %{py} is the Python of test/requirements.txt, which ./dev makes; a feature py-NAME for each package that it can
# import.  Without it the tests of those packages are skipped.
PACKAGES = ("gguf", "safetensors", "tokenizers", "sentencepiece", "tiktoken", "jinja2")
places = (os.environ.get("SETUN_PY", ""), os.path.join(objroot, "py/bin/python"), os.path.join(root, "build/py/bin/python"))
py = next((p for p in places if os.access(p, os.X_OK)), None)
config.substitutions.append(("%{py}", py or "python3"))
config.available_features.update("py-" + m for m in PACKAGES if py and has(py, m))
config.substitutions.append(("%{setun-tok}", os.path.join(objroot, "test/setun-tok")))
config.substitutions.append(("%{rc}", "sh " + os.path.join(config.test_source_root, "rc.sh")))
config.substitutions.append(("%{models}", os.path.join(root, "models")))
config.substitutions.append(("%{docs}", os.path.join(root, "docs")))

# Families of machines, with the names of their tools and what platforms call them.  Of each that is not this machine's:
# its runtime is in the build tree where its compiler and libraries were found, and an emulator runs what is made for it.
FAMILIES = {"x86-64": ("x86_64-linux-gnu", "qemu-x86_64", ("x86_64", "amd64")),
            "aarch64": ("aarch64-linux-gnu", "qemu-aarch64", ("aarch64", "arm64"))}
host = next((name for name, (_, _, machines) in FAMILIES.items() if platform.machine() in machines), "x86-64")
others = [name for name in FAMILIES if name != host]
config.available_features.add("host-" + host)
config.substitutions += [("%{host}", host), ("%{other}", others[0]), ("%{objroot}", objroot)]
config.substitutions.append(("%{base}", {"x86-64": "avx2", "aarch64": "neon"}[host]))  # the level that every machine runs
for family in others:
    triple, emulator, _ = FAMILIES[family]
    archives = os.path.join(objroot, "runtime-" + family)
    cc, emulator = shutil.which(triple + "-gcc"), shutil.which(emulator) or shutil.which(emulator + "-static")
    if cc and os.path.exists(os.path.join(archives, "libsetun_rt.a")):
        config.available_features.add(family + "-runtime")
        config.substitutions += [(f"%{{cc-{family}}}", f"{cc} -std=c17 -D_GNU_SOURCE -I{root}"),
                                 (f"%{{archive-{family}}}", os.path.join(archives, "libsetun_rt.a")),
                                 (f"%{{libs-{family}}}", f"-L{archives} -lpcre2-8 -lutf8proc -lm -lpthread")]
        if family == others[0]:
            config.available_features.add("other-runtime")
            config.substitutions.append(("%{other-gcc}", cc))
    if family == others[0]:
        config.substitutions.append(("%{emulator}", emulator if emulator and "other-runtime" in config.available_features else ""))
    if emulator:
        config.available_features.add("qemu-" + family)
        config.substitutions.append((f"%{{qemu-{family}}}", emulator))
        if cc:
            config.available_features.add("run-" + family)

# What this machine has; a test that REQUIRES what is missing is reported as UNSUPPORTED.
with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
    flags = next((line.split() for line in f if line.startswith("flags")), [])
for flag, feature in (("avx2", "cpu-avx2"), ("avx_vnni", "cpu-avxvnni"), ("avx512_vnni", "cpu-avx512vnni")):
    if flag in flags:
        config.available_features.add(feature)
if shutil.which("addr2line") and shutil.which("nm"):
    config.available_features.add("addr2line")
if shutil.which("qemu-x86_64"):
    config.available_features.add("qemu-x86_64")
if os.path.exists(os.path.join(root, "..", "shared", "data", "tinyshakespeare.txt")):
    config.available_features.add("shared-data")
    config.substitutions.append(("%{shared}", os.path.join(root, "..", "shared", "data")))
if os.path.exists(os.path.join(root, "..", "shared", "data", "llama3-tokenizer.model")):
    config.available_features.add("shared-llama3")
