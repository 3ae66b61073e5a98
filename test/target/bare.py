"""bare.py DIR QEMU EXE WORDS...: runs EXE WORDS under QEMU where there is no file but these two and QEMU's own libraries.

Not even /proc, /sys or /dev are there, and the folder is the root of the file system.
"""
import os
import re
import shutil
import subprocess
import sys


def main():
    folder, qemu, exe, words = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
    libraries = re.findall(r"/[^ \n:]+", subprocess.run(["ldd", qemu], capture_output=True, text=True, check=False).stdout)
    for path in [qemu] + libraries:
        if os.path.exists(path):
            os.makedirs(folder + os.path.dirname(path), exist_ok=True)
            shutil.copy(path, folder + path)
    shutil.copy(exe, folder + "/exe")
    inside = ["unshare", "-r", "chroot", folder]
    if subprocess.run(inside + [qemu, "-version"], capture_output=True, check=False).returncode != 0:
        print("SKIP: no root of a file system of one's own here (unshare -r chroot)")
        return 0
    done = subprocess.run(inside + [qemu, "/exe"] + words, capture_output=True, check=False)
    sys.stderr.buffer.write(done.stderr)
    with open(folder + ".text", "wb") as f:
        f.write(done.stdout)
    if done.returncode == 0:
        print("it ran in a bare root")
    return done.returncode


sys.exit(main())
