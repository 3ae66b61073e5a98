"""Texts that take no time unless something is exponential or quadratic; each has 20 seconds
of CPU time.

    large.py MODELS OUT_DIR
"""
import os
import resource
import subprocess
import sys

models, out = sys.argv[1:]
os.makedirs(out, exist_ok=True)
failed = 0


def ends_soon(what, *command):
    global failed
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (20, 20)))
    said = done.stderr or f"ends with {done.returncode}" if done.returncode else ""
    failed += bool(said)
    print(f"{what}: {said or 'ends'}")


def text(name, body):
    path = os.path.join(out, name)
    with open(path, "w", encoding="ascii") as f:
        f.write("module large {context = 16, vocab = 16, max_rows = 4}\nweight @w : f32[8, 8]\nstate @k : cache<f32>[1, 8]\n")
        f.write("func @f(%rows: rows[T], %x: f32[T, 8]) {\n" + "\n".join(body) + "\n}\n")
    return path


def chain(first, n, op="add %{0}, %{0}"):
    return [f"  %v{i} = {op.format(f'v{i - 1}' if i else first)} : f32[T, 8]" for i in range(n)]


# Twice the ways up for each op, and all of them are gone to find out that no core is there.
doubling = ["  %y = kernel : f32[T, 8] {", *chain("x", 200), "    %d = dot %v199, @w : f32[T, 8]", "    yield %d", "  }", "  ret %y"]
ends_soon("a region of 200 doublings", "setun-opt", text("doubling.sir", doubling))
ends_soon("100000 ops", "setun-opt", text("long.sir", [*chain("x", 100000, "neg %{0}"), "  ret %v99999"]))
region = ["  %y = kernel : f32[T, 8] {", "    %d = dot %x, @w : f32[T, 8]", *chain("d", 50000, "neg %{0}"), "    yield %v49999", "  }", "  ret %y"]
ends_soon("50000 ops in an epilogue", "setun-opt", text("region.sir", region))

# A page of 2500 multiplications without names of their own, through all passes.
page = open(os.path.join(models, "bitnet-b1.58.stn"), encoding="utf-8").read()
many = "".join(f"    let c{i + 1} = c{i}{' * m' * 100};\n" for i in range(25))
page = page.replace("    yield h + down @ int8(rmsnorm(m,", f"    let c0 = m;\n{many}    yield h + down @ int8(rmsnorm(c25,")
path = os.path.join(out, "many.stn")
with open(path, "w", encoding="utf-8") as f:
    f.write(page)
sets = [f"--set={k}" for k in ("vocab=260", "hidden=256", "ffn=704", "heads=4", "kv_heads=2", "layers=1")]
ends_soon("2500 ops of a page", "setun", "build", path, *sets, "--emit", "sir", "-o", os.path.join(out, "many.sir"))
sys.exit(failed > 0)
