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

# The other family of machines: its runtime is in the build tree where its compiler and libraries were found, and an
# emulator runs what is made for it.
host = "aarch64" if platform.machine() in ("aarch64", "arm64") else "x86-64"
config.available_features.add("host-" + host)
other = "x86-64" if host == "aarch64" else "aarch64"
other_gcc = shutil.which({"x86-64": "x86_64", "aarch64": "aarch64"}[other] + "-linux-gnu-gcc")
config.substitutions += [("%{host}", host), ("%{other}", other), ("%{objroot}", objroot)]
if other_gcc and os.path.exists(os.path.join(objroot, f"runtime-{other}", "libsetun_rt.a")):
    config.available_features.add("other-runtime")
    config.substitutions.append(("%{other-gcc}", other_gcc))
runs_other = shutil.which("qemu-" + {"x86-64": "x86_64"}.get(other, other))
config.substitutions.append(("%{emulator}", runs_other if runs_other and "other-runtime" in config.available_features else ""))
arm = os.path.join(objroot, "runtime-aarch64")
arm_cc, arm_qemu = shutil.which("aarch64-linux-gnu-gcc"), shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
if arm_cc and os.path.exists(os.path.join(arm, "libsetun_rt.a")):
    config.available_features.add("aarch64-runtime")
    config.substitutions.append(("%{cc-aarch64}", f"{arm_cc} -std=c17 -D_GNU_SOURCE -I{root}"))
    config.substitutions.append(("%{archive-aarch64}", os.path.join(arm, "libsetun_rt.a")))
    config.substitutions.append(("%{libs-aarch64}", f"-L{arm} -lpcre2-8 -lutf8proc -lm -lpthread"))
if arm_qemu:
    config.available_features.add("qemu-aarch64")
    config.substitutions.append(("%{qemu-aarch64}", arm_qemu))

# What this machine has; a test that REQUIRES what is missing is reported as UNSUPPORTED.
with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
    flags = next((line.split() for line in f if line.startswith("flags")), [])
for flag, feature in (("avx2", "cpu-avx2"), ("avx_vnni", "cpu-avxvnni"), ("avx512_vnni", "cpu-avx512vnni")):
    if flag in flags:
        config.available_features.add(feature)
if shutil.which("addr2line") and shutil.which("nm"):
    config.available_features.add("addr2line")
if shutil.which("qemu-aarch64") and shutil.which("aarch64-linux-gnu-gcc"):
    config.available_features.add("run-aarch64")
if shutil.which("qemu-x86_64"):
    config.available_features.add("qemu-x86_64")
if os.path.exists(os.path.join(root, "..", "shared", "data", "tinyshakespeare.txt")):
    config.available_features.add("shared-data")
    config.substitutions.append(("%{shared}", os.path.join(root, "..", "shared", "data")))
if os.path.exists(os.path.join(root, "..", "shared", "data", "llama3-tokenizer.model")):
    config.available_features.add("shared-llama3")
