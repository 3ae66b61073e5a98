"""library.py SETUN ROOT DIR [--target NAME --cc CC --run "EMULATOR ARG ..."]: libraries as programs use them.

Builds the bundled model as library and executable, and for this machine also with a screened head and the miniature, and
compares.  With a target, only what has to be seen there.
"""
import _ctypes
import argparse
import ctypes
import os
import pathlib
import re
import shutil
import subprocess
import sys

p = argparse.ArgumentParser()
p.add_argument("setun")
p.add_argument("root", type=pathlib.Path)
p.add_argument("dir", type=pathlib.Path)
p.add_argument("--target", default="")
p.add_argument("--cc", default="gcc")
p.add_argument("--run", default="")
a = p.parse_args()
HERE, NATIVE, EMULATOR = pathlib.Path(__file__).parent, not a.target, a.run.split()
MODEL = [str(a.root / "models/bitnet-b1.58.stn"), "--weights", str(a.root / "models/shakespeare")]
TEMPLATE = """{{ bos_token }}{% for m in messages %}{% if m.role == 'stranger' %}{{ raise_exception('no strangers') }}{% endif %}
{{ m.role.upper() }}:
{{ m.content }}{{ bos_token if m.role == 'assistant' else eos_token }}
{% endfor %}{% if add_generation_prompt %}{{ 0.5 + 1 }}
ROMEO:
{% endif %}"""
MINI = [str(a.root / "models/bitnet-b1.58.stn"), "--weights", str(a.dir / "checkpoint")]
WRAP = "-Wl," + ",".join(f"--wrap={f}" for f in ("malloc", "calloc", "realloc", "aligned_alloc"))
# What ends a process, writes, or minds its signals.
NEVER = r"exit|_exit|abort|raise|kill|v?f?printf|puts|putchar|perror|write|fwrite|fopen|signal|sigaction|std(out|err|in)|" \
        r"__assert_fail|getenv|dlopen"


def fail(*what):
    print("FAILED:", *what)
    sys.exit(1)


def run(*command, code=0, env=None, cwd=None):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          env={**os.environ, **(env or {})}, cwd=cwd)
    text = done.stdout.decode("utf-8", "replace")
    if code is not None and done.returncode != code:
        fail(" ".join(str(c) for c in command), f"-> {done.returncode}\n{text}")
    return text


def program(name, *args):
    return run(*EMULATOR, name, *args, env={"LD_LIBRARY_PATH": str(a.dir)})


def build(out, model, *flags):
    target = ["--target", a.target] if a.target else []
    run(a.setun, "build", *model, "-q", *target, *flags, "-o", a.dir / out)


def library(out, model, *flags):
    build(out, model, "--emit", "lib", *flags)


def compile(out, *words):
    run(a.cc, "-std=gnu17", "-Wall", "-Wextra", "-Werror", f"-I{a.dir}", *words, "-lm", "-lpthread", "-o", a.dir / out)
    return a.dir / out


def functions(prefix):
    """What the header declares."""
    text = re.sub(r"/\*.*?\*/", "", (a.dir / f"{prefix}.h").read_text(encoding="utf-8"), flags=re.S)
    return set(re.findall(rf"\b({prefix}_\w+)\(", text))


def symbols(*words):
    found = {}
    for line in run("nm", *words).splitlines():
        part = line.split()
        if len(part) >= 2 and len(part[-2]) == 1:
            found.setdefault(part[-2], set()).add(part[-1])
    return found


def check_symbols():
    declared = functions("shakespeare")
    found = symbols(a.dir / "libshakespeare.a")
    known = {"T": declared, "R": {"shakespeare_pack", "shakespeare_pack_end"}}
    for kind, names in found.items():
        if kind.isupper() and kind not in "UNa" and names != known.get(kind):
            fail(f"symbols of kind {kind}: {sorted(names)}")
    if len(declared) < 15 or found.get("T") != declared:
        fail("functions", declared, "in the header", found.get("T"), "in the library")
    bad = [n for n in found["U"] if re.fullmatch(NEVER, n) or n.startswith("setun_")]
    if bad:
        fail("the library calls", bad)
    shared = symbols("-D", "--defined-only", a.dir / "libshakespeare.so")
    if shared != {"T": declared}:
        fail("libshakespeare.so exports", shared)
    # Variables: none of ours; PCRE2 has some in its translator to machine code, which is not asked for anything.
    where = re.compile(r"\s(\.data|\.bss|\*COM\*)(?!\.rel\.ro)\S*\s+\w+\s+(\.hidden )?(\S+)$")
    variables = [m.group(3) for m in map(where.search, run("objdump", "-t", a.dir / "libshakespeare.a").splitlines()) if m]
    ours = [n for n in variables if "setun" in n]
    if ours or not variables:
        fail("variables", ours)


def ids_of(exe, count, temp, top_p, penalty, tokens, *flags):
    return run(*EMULATOR, exe, "run", "--tokens", ",".join(tokens), "-n", count, "--temp", temp, "--top-p", top_p,
               "--repeat-penalty", penalty, "--seed", 7, "--ids", "--ignore-eos", "-q", *flags).strip()


def check_driver(prefix, exe, archive, *flags, checks=True):
    """The same ids and logits as the executable's, from a host that is compiled to flush denormals."""
    upper = prefix.upper()
    d = compile(f"driver-{prefix}", *flags, f"-DP={prefix}", f"-DU={upper}", f'-DHEADER="{prefix}.h"', WRAP,
                HERE / "driver.c", a.dir / archive)
    tokens, logits = ["5", "3", "1", "2", "7"], a.dir / "exe.logits"
    for how in (("0", "1", "1"), ("0.8", "0.95", "1.3"), ("1", "1", "1")):
        want = ids_of(exe, 20, *how, tokens)
        for threads in ("1", "2"):
            if program(d, threads, "20", *how, "-", *tokens).strip() != want:
                fail(prefix, how, threads, "threads: other ids than", want)
    ids_of(exe, 6, "0", "1", "1", tokens, "--logits", logits)
    program(d, "2", "6", "0", "1", "1", a.dir / "lib.logits", *tokens)
    rows, mine = logits.read_bytes(), (a.dir / "lib.logits").read_bytes()
    said = program(d, "modes")
    if said:
        fail(prefix, said)
    row = len(mine) // 6
    if not row or mine != rows[len(tokens) * row - row:][:len(mine)]:
        fail(prefix, "other logits")
    if checks:
        said = program(d)
        if said:
            fail(prefix, said)


def check_example(exe):
    want = run(*EMULATOR, exe, "run", "-p", "KING", "-n", "64", "-q")
    source = a.root / "examples/embed.c"
    for name, words in (("static", ["-Ofast", "-static", source, a.dir / "libshakespeare.a"]),
                        ("archive", ["-O2", source, a.dir / "libshakespeare.a"]),
                        ("shared", ["-Ofast", source, a.dir / "libshakespeare.so"])):
        if EMULATOR and name != "static":
            compile(name, *words)  # another machine's dynamic linker need not be here
            continue
        got = program(compile(name, *words), "KING")
        if got != want or len(got) < 40:
            fail("the example", name, "writes", got, "instead of", want)


def check_headers():
    text = '#include "shakespeare.h"\n#include "mini.h"\nint main(void) { return SHAKESPEARE_VOCAB == MINI_VOCAB; }\n'
    for name, words in (("c.c", [a.cc, "-std=c99", "-pedantic-errors", "-Wc++-compat"]), ("c.c", [a.cc, "-std=c2x", "-Wpedantic"]),
                        ("cpp.cpp", ["g++", "-std=c++11", "-Wpedantic"]), ("cpp.cpp", ["g++", "-std=c++20", "-Wold-style-cast"])):
        if not shutil.which(words[0]):
            continue
        (a.dir / name).write_text(text, encoding="utf-8")
        run(*words, "-Wall", "-Wextra", "-Wconversion", "-Wundef", "-Werror", f"-I{a.dir}", "-fsyntax-only", a.dir / name)


def check_links(exe):
    """The archive in programs of other kinds, and in a shared library; nothing that a loader would have to write into code."""
    source, archive = a.root / "examples/embed.c", a.dir / "libshakespeare.a"
    want = run(exe, "run", "-p", "KING", "-n", "64", "-q")
    for flags in (["-static-pie"], ["-no-pie"], ["-Wl,-z,now,-z,relro,-z,text,--gc-sections,--fatal-warnings"]):
        if program(compile("linked", *flags, source, archive), "KING") != want:
            fail("the example linked with", flags, "writes something else")
    whole = compile("libwhole.so", "-shared", "-Wl,--whole-archive", archive, "-Wl,--no-whole-archive,-z,text,--fatal-warnings")
    if symbols("-D", "--defined-only", whole) != {"T": functions("shakespeare")}:
        fail("a shared library around the archive exports", symbols("-D", "--defined-only", whole))
    for name in (whole, a.dir / "libshakespeare.so"):
        said = run("readelf", "-lWd", name)
        if "TEXTREL" in said or re.search(r"GNU_STACK.*RWE", said):
            fail(name, said)


def check_loaded(exe):
    """The shared library as another language sees it: loaded, used, closed and unloaded, again and again."""
    want = [int(i) for i in ids_of(exe, 8, "0", "1", "1", ["3", "7", "1", "12"]).split()]
    options, ids = (ctypes.c_uint32 * 4)(2, 0, 0, 0), (ctypes.c_uint32 * 4)(3, 7, 1, 12)  # two threads; level: NULL
    before = None
    for _ in range(20):
        lib = ctypes.CDLL(str(a.dir / "libshakespeare.so"))
        lib.shakespeare_id.restype, lib.shakespeare_version.restype = ctypes.c_uint64, ctypes.c_char_p
        handle, token, got = ctypes.c_void_p(), ctypes.c_uint32(), []
        if lib.shakespeare_open(options, ctypes.byref(handle), None, ctypes.c_size_t(0)):
            fail("the loaded library does not open")
        code = lib.shakespeare_prefill(handle, ids, ctypes.c_size_t(4))
        for _ in want:
            code |= lib.shakespeare_sample(handle, None, ctypes.byref(token)) | lib.shakespeare_step(handle, token)
            got.append(token.value)
        about = lib.shakespeare_id(), lib.shakespeare_vocab(), lib.shakespeare_outputs(), lib.shakespeare_version()[:6]
        if code or got != want or about[1:] != (1024, 1024, b"setun "):
            fail("the loaded library:", code, got, about, "instead of", want)
        lib.shakespeare_close(handle)
        _ctypes.dlclose(lib._handle)
        maps = pathlib.Path("/proc/self/maps").read_text(encoding="utf-8")
        left = len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd")), "libshakespeare" in maps
        before = before or left
        if left != before or left[2]:
            fail("left behind by the loaded library: threads, files, itself", before, left)


def check_two(exe, mini):
    ids = program(compile("two", "-O2", HERE / "two.c", a.dir / "libshakespeare.a", a.dir / "libmini.a")).splitlines()
    want = [ids_of(e, 8, "0", "1", "1", ["3", "7", "1", "12"]) for e in (exe, mini)]
    if ids != want:
        fail("two models:", ids, "instead of", want)


def check_chat():
    (a.dir / "template").write_text(TEMPLATE, encoding="utf-8")
    library("libtalk.a", MODEL, "--chat-template", a.dir / "template")
    build("talk.exe", MODEL, "--chat-template", a.dir / "template")
    c = compile("chat", "-O1", HERE / "chat.c", a.dir / "libtalk.a")
    ids, _, text = program(c, "Who are you?").partition("\n")
    want = run(a.dir / "talk.exe", "chat", "-p", "Who are you?", "--temp", "0", "-n", "24")
    if text != want or len(text) < 30 or len(ids.split()) < 10:
        fail("a conversation:", ids, text, "instead of", want)
    commas = {}  # a locale of the host's that writes numbers with commas, where one can be made
    if shutil.which("localedef") and pathlib.Path("/usr/share/i18n/locales/de_DE").exists():
        run("localedef", "-i", "de_DE", "-f", "UTF-8", a.dir / "de_DE.UTF-8")
        commas = {"LOCPATH": str(a.dir), "COMMAS": "de_DE.UTF-8"}
    said = run(c, env=commas)
    if said:
        fail("conversations:", said)


def check_same():
    again = a.dir / "again"
    again.mkdir()
    for name in ("libshakespeare.a", "libshakespeare.so"):
        run(a.setun, "build", *MODEL, "-q", "--emit", "lib", "-o", again / name, env={"TMPDIR": str(again)})
        if (again / name).read_bytes() != (a.dir / name).read_bytes():
            fail(name, "has other bytes the second time")
    if sorted(f.name for f in again.iterdir()) != ["libshakespeare.a", "libshakespeare.so", "shakespeare.h"]:
        fail("left behind:", list(again.iterdir()))


def check_failures():
    """Whichever write, sync or rename fails, both old files stay.  The first ten are of objects on their way."""
    old, n = {"mini.h": b"old header", "libmini.a": b"old library"}, 5
    for exists in (True, False):
        n = 10 if exists else n - 5
        while True:
            n += 1
            folder = a.dir / f"fail-{exists}-{n}"
            folder.mkdir()
            for name, text in old.items() if exists else ():
                (folder / name).write_bytes(text)
            done = subprocess.run([a.setun, "build", *MINI, "-q", "--emit", "lib", "-o", folder / "libmini.a"], check=False,
                                  env={**os.environ, "SETUN_FAIL_WRITE": f"{n},ENOSPC", "TMPDIR": str(folder)},
                                  stderr=subprocess.DEVNULL)
            left = {f.name: f.read_bytes() for f in folder.iterdir()}
            if done.returncode == 0:
                break
            if done.returncode != 6 or left != (old if exists else {}):
                fail(f"write {n} failed: code {done.returncode}, left {list(left)}")
        if set(left) != set(old) or left == old or n < 6:
            fail("the last of", n, "left", list(left))


a.dir.mkdir(parents=True)
build("exe", MODEL)
library("libshakespeare.a", MODEL)
library("libshakespeare.so", MODEL)
check_example(a.dir / "exe")
if NATIVE:
    run(sys.executable, "-B", a.root / "test/ref/miniature.py", a.dir / "checkpoint")
    build("mini.exe", MINI)
    library("libmini.a", MINI)
    library("libother.a", MODEL, "--head", "screened", "--prefix", "screened")
    (a.dir / "other.h").rename(a.dir / "screened.h")
    check_symbols()
    check_headers()
    check_links(a.dir / "exe")
    check_driver("shakespeare", a.dir / "exe", "libshakespeare.a", "-Ofast", "-static")
    check_driver("screened", a.dir / "exe", "libother.a", "-O1")
    check_driver("mini", a.dir / "mini.exe", "libmini.a", "-O1")
    check_two(a.dir / "exe", a.dir / "mini.exe")
    check_loaded(a.dir / "exe")
    check_chat()
    check_same()
    check_failures()
else:
    check_driver("shakespeare", a.dir / "exe", "libshakespeare.a", "-Ofast", "-static", checks=False)
