"""commands.py ROOT SCRATCH: runs the commands in the indented blocks of README.md and docs/*.md.

A line of a block is a command if it begins with one of STARTS; two spaces and more end it, and what follows is said about
it.  Names in capitals stand for what MEANING says.  `./dev` is not run (this is what it runs); its words must exist.  What
the bundled model has nothing for (OTHERS) is run with --help: the command and its flags must exist.  A target whose runtime
is not in this build is skipped.
"""
import pathlib
import re
import shutil
import subprocess
import sys

ROOT, SCRATCH = (pathlib.Path(a).resolve() for a in sys.argv[1:3])
ARCHIVE = pathlib.Path(shutil.which("setun")).parent.parent / "runtime" / "libsetun_rt.a"
STARTS = ("build/tools/setun ", "setun ", "setun-opt ", "setun-gen ", "./bitnet ", "EXE ", "cc ", "./dev ")
OTHERS = r"(EXE|\./bitnet) (embed|chat)\b"
MEANING = {
    r"build/tools/setun\b": "setun",
    r"\bmodels/": f"{ROOT}/models/",
    r"\bexamples/": f"{ROOT}/examples/",
    r"\bMODEL\.stn\b": f"{ROOT}/models/bitnet-b1.58.stn",
    r"\b(FILE_OR_)?DIR\b": f"{ROOT}/models/shakespeare",
    r"\bEXE\b": "./exe",
    r"\bCOMMAND\b": "run",
    r"\blibsetun_rt\.a\b": str(ARCHIVE),
}


def commands(page):
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("    ") and line[4:].startswith(STARTS):
            yield re.split(r" {2,}", line[4:])[0]


def dev_has(word):
    return re.search(rf"^{word}\)", (ROOT / "dev").read_text(encoding="utf-8"), re.M) is not None


def run(command):
    if re.match(OTHERS, command):
        command += " --help"
    for name, value in MEANING.items():
        command = re.sub(name, value, command)
    done = subprocess.run(["sh", "-c", command], cwd=SCRATCH, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=100, check=False)
    return done.returncode == 0, done.stdout.decode(errors="replace")


def main():
    shutil.rmtree(SCRATCH, ignore_errors=True)
    SCRATCH.mkdir(parents=True)
    (SCRATCH / "text.txt").write_text("To be, or not to be, that is the question.\n", encoding="utf-8")
    ok, text = run("setun build MODEL.stn --weights DIR -o EXE")
    if not ok:
        sys.exit(text)
    count, failed = 0, 0
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for command in commands(page):
            if page.name == "command.md":  # a synopsis, compared with --help
                continue
            dev = re.match(r"\./dev (\w+)", command)
            ok, text = (dev_has(dev[1]), "no such word") if dev else run(command)
            count += 1
            if not ok and "[no-target-runtime]" in text:
                print(f"SKIP: {page.name}: {command}: the runtime for that target is not in this build")
            elif not ok:
                failed += 1
                print(f"{page.name}: {command}\n{text}")
    print(f"{count} commands, {failed} failed")
    sys.exit(1 if failed or count < 10 else 0)


main()
