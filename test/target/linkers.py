"""linkers.py SETUN ROOT CHECKPOINT DIR HOST OTHER EMULATOR: other linker drivers than the usual ones, with flags.

With each of them that is here, an executable, a static and a shared library; the program below, linked by the same driver
with either library, gives the executable's tokens.  Other machines' run under the emulator.
"""
import os
import pathlib
import shutil
import subprocess
import sys

setun, root, checkpoint, top, host, other, emulator = sys.argv[1:]
root, top = pathlib.Path(root), pathlib.Path(top)
MODEL = [str(root / "models/bitnet-b1.58.stn"), "--weights", checkpoint, "-q"]
GNU = {"aarch64": "aarch64-linux-gnu", "x86-64": "x86_64-linux-gnu"}
PROGRAM = """
#include <stdio.h>
#include "m.h"
int main(void) {
    static const uint32_t begin[] = {3, 7, 1, 12};
    struct m_sampling greedy = {.top_p = 1, .repeat_penalty = 1};
    struct m *h;
    uint32_t next;
    char error[200];
    if (m_open(NULL, &h, error, sizeof error)) return puts(error);
    if (m_prefill(h, begin, 4)) return puts(m_message(h));
    for (int i = 0; i < 8; i++) {
        if (m_sample(h, &greedy, &next) || m_step(h, next)) return puts(m_message(h));
        printf("%u ", next);
    }
    m_close(h);
    return 0;
}
"""


def run(*command, env=None):
    done = subprocess.run([str(c) for c in command], check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, **(env or {})})
    if done.returncode:
        print("FAILED:", *command, done.returncode, done.stdout)
        sys.exit(1)
    return done.stdout.split()


def sandwich(name, target, driver, wants):
    lacking = [w for w in [driver[0], *wants] if not shutil.which(w)]
    if lacking:
        print(f"SKIP: {' '.join(driver)}: there is no {', '.join(lacking)}")
        return
    folder = top / name
    folder.mkdir()
    for out, kind in (("exe", "exe"), ("libm.a", "lib"), ("libm.so", "lib")):
        run(setun, "build", *MODEL, "--target", target, "--emit", kind, "--linker", " ".join(driver), "-o", folder / out)
    (folder / "main.c").write_text(PROGRAM, encoding="utf-8")
    run(*driver, "-static", f"-I{folder}", folder / "main.c", folder / "libm.a", "-lm", "-lpthread", "-o", folder / "static")
    run(*driver, f"-I{folder}", folder / "main.c", folder / "libm.so", "-o", folder / "shared")
    runner = [] if target == host else [emulator, "-L", "/usr/" + GNU[target], "-E", f"LD_LIBRARY_PATH={folder}"]
    want = run(*runner, folder / "exe", "run", "--tokens", "3,7,1,12", "-n", 8, "--temp", 0, "--ids", "--ignore-eos", "-q")
    for program in ("static", "shared"):
        if program == "shared" and runner and not os.path.isdir(runner[2]):
            print(f"SKIP: {name}, shared: no C library in {runner[2]}")
            continue
        got = run(*runner, folder / program, env={"LD_LIBRARY_PATH": str(folder)} if not runner else None)
        if got != want or len(want) != 8:
            print("FAILED:", name, program, got, "instead of", want)
            sys.exit(1)
    print(name, "links")


sandwich("gold", host, ["gcc", "-fuse-ld=gold"], ["ld.gold"])
sandwich("lld", host, ["clang", "-fuse-ld=lld"], ["ld.lld"])
if emulator:
    sandwich("cross-lld", other, ["clang", f"--target={GNU[other]}", "-fuse-ld=lld"], ["ld.lld", GNU[other] + "-gcc"])
print("all that is here")
