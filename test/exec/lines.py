"""lines.py EXE PAGE FOLDER...: symbols and lines of an executable's kernels, against the model text that it carries.

FOLDERs are paths of this machine; none may be in the executable.
"""
import csv
import io
import pathlib
import re
import subprocess
import sys

EXE, PAGE = sys.argv[1:3]


def out(*command, **kw):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, **kw).stdout


def expect(what, ok):
    if not ok:
        sys.exit(f"not as it should be: {what}")


def symbols():
    found = {}
    for line in out("nm", "-S", EXE).splitlines():
        fields = line.split()
        if len(fields) == 4:
            found[fields[3]] = (int(fields[0], 16), int(fields[1], 16))
    return found


def lines_of(place):
    """Lines of the instructions of a function; ? and 0 are instructions of no line."""
    begin, size = place
    text = out("addr2line", "-e", EXE, input="".join(f"{at:x}\n" for at in range(begin, begin + size, 4)))
    found = set()
    for word in text.split("\n"):
        match = re.match(r"(.*):([0-9]+)( |$)", word)
        if match and match[2] != "0":
            expect(f"file '{match[1]}'", match[1] in (pathlib.Path(PAGE).name, "./" + pathlib.Path(PAGE).name))
            found.add(int(match[2]))
    return found


def main():
    text = out(EXE, "info", "--model").splitlines()
    with open(PAGE, encoding="utf-8") as f:
        expect("as many lines as the page", len(text) == len(f.read().splitlines()))
    levels = re.findall(r"^level: (\S+)", out(EXE, "info"), re.M)
    expect(f"levels {levels}", len(levels) > 2)
    have = symbols()
    kernels = {r["kernel"]: r["line"] for r in csv.DictReader(io.StringIO(out(
        EXE, "bench", "--kernels", "-p", "4", "-n", "2", "-r", "1", "-t", "1", "-o", "csv")))}
    del kernels["a step"]
    expect(f"kernels {list(kernels)}", len(kernels) > 6)
    made_of = {"body.0:q": (r"let a ", r"let q ", r"k\[pos\]", r"v\[pos\]"), "body.0:m": (r"let b ", r"let m ")}
    made_of = {k: {at for at, line in enumerate(text, 1) if any(re.match(r"\s*" + s, line) for s in starts)}
               for k, starts in made_of.items()}
    for kernel, line in kernels.items():
        name = kernel.replace(":", ".")
        for level in levels:
            symbol = f"{name}.{level}" if f"{name}.{level}" in have else f"emit.{name.split('.')[-1]}.{level}"
            expect(f"symbol {symbol}", symbol in have)
            lines = lines_of(have[symbol])
            expect(f"{symbol} is of line {line}, not only of {sorted(lines)}", int(line) in lines)
            for at in lines:
                expect(f"line {at} says something", re.match(r"\s*[^\s/]", text[at - 1]))
            if kernel in made_of:
                expect(f"{symbol} is of lines {made_of[kernel]}, not {lines}", lines == made_of[kernel])
    whole = pathlib.Path(EXE).read_bytes()
    for folder in sys.argv[3:]:
        expect(f"{folder} is not in it", str(pathlib.Path(folder).resolve()).encode() not in whole)
    print(f"{len(kernels)} kernels, levels {levels}")


main()
