"""failures.py SETUN PAGE CHECKPOINT DIR: makes builds fail in every place and looks at what is left."""
import os
import pathlib
import signal
import subprocess
import sys
import time

setun, page, checkpoint, top = sys.argv[1:5]
top = pathlib.Path(top)
command = [setun, "build", page, "--weights", checkpoint, "-o"]
OLD = b"what was here before"


def build(name, env=None):
    folder = top / name
    folder.mkdir()
    out = folder / "exe"
    out.write_bytes(OLD)
    done = subprocess.run(command + [str(out)], env={**os.environ, **(env or {}), "TMPDIR": str(folder)},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    left = sorted(p.name for p in folder.iterdir())
    return done, out, left


def expect(condition, what):
    if not condition:
        print("FAILED:", what)
        sys.exit(1)


def every_write():
    for error, code in (("ENOSPC", 6), ("EIO", 5)):
        n = 1
        while True:
            done, out, left = build(f"{error}-{n}", {"SETUN_FAIL_WRITE": f"{n},{error}"})
            if done.returncode == 0:
                break
            errors = [line for line in done.stdout.splitlines() if "error:" in line]
            expect(done.returncode == code, f"{error} at write {n}: exit {done.returncode}\n{done.stdout}")
            expect(len(errors) == 1, f"{error} at write {n}: {len(errors)} errors\n{done.stdout}")
            expect(out.read_bytes() == OLD, f"{error} at write {n}: the old output changed")
            expect(left == ["exe"], f"{error} at write {n}: left {left}")
            n += 1
        expect(n > 3, f"{error}: only {n - 1} writes were seen to fail")
        print(f"{error}: {n - 1} places")


def interrupts():
    start = time.time()
    whole = build("whole")[1].read_bytes()
    pause = max(0.01, (time.time() - start) / 15)
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        seen = 0
        for step in range(200):
            folder = top / f"signal-{int(number)}-{step}"
            folder.mkdir()
            out = folder / "exe"
            out.write_bytes(OLD)
            job = subprocess.Popen(command + [str(out)], env={**os.environ, "TMPDIR": str(folder)},
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))  # pylint: disable=W1509,W0640
            time.sleep(pause * step)
            job.send_signal(number)
            job.communicate()
            if job.returncode == 0:
                break
            left = sorted(p.name for p in folder.iterdir())
            # Either our handler ran, or the signal came before it was there; nothing may be left in both cases.
            expect(job.returncode in (code, -number), f"signal {number}: exit {job.returncode}")
            # A signal between the last rename and the end meets an output that is complete.
            expect(out.read_bytes() in (OLD, whole), f"signal {number}: the old output changed")
            expect(left == ["exe"], f"signal {number} after {step * pause:.2f} s: left {left}")
            seen += job.returncode == code
        expect(seen > 0, f"signal {number} never met a build")
        print(f"signal {int(number)}: {seen} moments")


every_write()
interrupts()
