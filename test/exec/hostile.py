"""hostile.py SETUN PAGE CHECKPOINT DIR: builds from damaged copies of a good checkpoint and page."""
import json
import pathlib
import re
import shutil
import struct
import subprocess
import sys

setun, page, good, top = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]), pathlib.Path(sys.argv[4])
OLD = b"what was here before"
failed = []


def header(data):
    (n,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8:8 + n]), data[8 + n:]


def whole(head, body, pad=b""):
    text = json.dumps(head).encode() + pad
    return struct.pack("<Q", len(text)) + text + body


def tensors(edit):
    """A case that edits model.safetensors through its header and body."""
    def apply(folder):
        path = folder / "model.safetensors"
        head, body = header(path.read_bytes())
        path.write_bytes(edit(head, bytearray(body)))
    return apply


def raw(edit):
    def apply(folder):
        path = folder / "model.safetensors"
        path.write_bytes(edit(path.read_bytes()))
    return apply


def text(name, edit):
    def apply(folder):
        path = folder / name
        path.write_text(edit(path.read_text(encoding="utf-8")), encoding="utf-8")
    return apply


def field(name, key, value):
    def edit(head, body):
        head[name][key] = value
        return whole(head, body)
    return tensors(edit)


def poke(name, offset, new):
    def edit(head, body):
        at = head[name]["data_offsets"][0] + offset
        body[at:at + len(new)] = new
        return whole(head, body)
    return tensors(edit)


def drop(name):
    """Without a tensor, and without the hole it would leave."""
    def edit(head, body):
        begin, end = head.pop(name)["data_offsets"]
        for key, t in head.items():
            if key != "__metadata__" and t["data_offsets"][0] >= end:
                t["data_offsets"] = [o - (end - begin) for o in t["data_offsets"]]
        return whole(head, body[:begin] + body[end:])
    return tensors(edit)


def config(**values):
    return text("config.json", lambda t: json.dumps({**json.loads(t), **values}))


Q = "model.layers.0.self_attn.q_proj.weight"
EMBED = "model.embed_tokens.weight"
CASES = {
    # safetensors
    "empty": raw(lambda d: b""),
    "seven bytes": raw(lambda d: d[:7]),
    "half a header": raw(lambda d: d[:100]),
    "half the data": raw(lambda d: d[:-50]),
    "bytes behind the data": raw(lambda d: d + b"1234"),
    "header longer than the file": raw(lambda d: struct.pack("<Q", 1 << 62) + d[8:]),
    "header length wraps": raw(lambda d: struct.pack("<Q", (1 << 64) - 1) + d[8:]),
    "no JSON": raw(lambda d: d[:8] + b"x" + d[9:]),
    "overlapping tensors": tensors(lambda h, b: whole({**h, Q: {**h[Q], "data_offsets": h[EMBED]["data_offsets"]}}, b)),
    "offsets swapped": field(Q, "data_offsets", [64, 0]),
    "offset negative": field(Q, "data_offsets", [-1, 15]),
    "shape lies": field(EMBED, "shape", [16, 9]),
    "shape overflows": field(EMBED, "shape", [1 << 40, 1 << 40]),
    "shape is text": field(EMBED, "shape", "16, 8"),
    "unknown dtype": field(EMBED, "dtype", "BF17"),
    "dtype in lower case": field(EMBED, "dtype", "bf16"),
    "duplicate tensor": raw(lambda d: whole_duplicate(d)),  # defined below
    # tensors the model wants
    "missing tensor": drop(Q),
    "missing scale": drop(Q + "_scale"),
    "misshapen tensor": config(hidden_size=16),
    "code 3": poke(Q, 3, b"\xff"),
    "scale is NaN": poke(Q + "_scale", 0, b"\xc0\x7f"),
    "scale is zero": poke(Q + "_scale", 0, b"\x00\x00"),
    "gain is infinite": poke("model.norm.weight", 2, b"\x80\x7f"),
    # config.json
    "config gone": lambda f: (f / "config.json").unlink(),
    "config is no JSON": text("config.json", lambda t: t[:-5]),
    "config is a list": text("config.json", lambda t: "[]"),
    "hidden is a text": config(hidden_size="8"),
    "hidden is negative": config(hidden_size=-8),
    "hidden is huge": config(hidden_size=1 << 62),
    "layers is zero": config(num_hidden_layers=0),
    "heads do not divide": config(num_key_value_heads=3),
    "eps is no number": config(rms_norm_eps="1e-5"),
    "rope scaling": config(rope_scaling={"type": "yarn", "factor": 4}),
    # tokenizer.json
    "tokenizer is no JSON": text("tokenizer.json", lambda t: t[:-3]),
    "tokenizer without a model": text("tokenizer.json", lambda t: json.dumps({k: v for k, v in json.loads(t).items() if k != "model"})),
    "tokenizer of another kind": text("tokenizer.json", lambda t: json.dumps({**json.loads(t), "model": {"type": "WordPiece", "vocab": {}}})),
}
EXIT = {"rope scaling": 4, "tokenizer of another kind": 4, "config gone": 5}

SEVERAL = {"misshapen tensor"}  # one error for each tensor that it makes wrong

PAGES = {
    "unfinished": lambda t: t[:200],
    "not text": lambda t: "\x00\x01" + t,
    "unknown name": lambda t: t.replace("flat(o)", "flatt(o)"),
    "wrong shape": lambda t: t.replace("ternary[hidden, ffn]", "ternary[hidden, hidden]"),
    "missing ;": lambda t: t.replace("model bitnet_b158;", "model bitnet_b158"),
    "deep": lambda t: t.replace("yield h", "yield " + "(" * 5000 + "h"),
    "nothing": lambda t: "",
}


def whole_duplicate(data):
    head, body = header(data)
    name = json.dumps("model.norm.weight")
    inner = json.dumps(head)[1:-1] + ", " + name + ": " + json.dumps(head["model.norm.weight"])
    raw_head = ("{" + inner + "}").encode()
    return struct.pack("<Q", len(raw_head)) + raw_head + body


def attempt(name, model, checkpoint, code):
    out_dir = top / "out"
    shutil.rmtree(out_dir, ignore_errors=True)
    out_dir.mkdir()
    out = out_dir / "exe"
    out.write_bytes(OLD)
    done = subprocess.run([setun, "build", str(model), "--weights", str(checkpoint), "-o", str(out)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", timeout=60, check=False)
    errors = re.findall(r"^.*error: .*\[[a-z0-9-]+\]$", done.stdout, re.M)
    problems = []
    if done.returncode != code:
        problems.append(f"exit {done.returncode} instead of {code}")
    if not errors:
        problems.append("no error with a slug")
    if out.read_bytes() != OLD or [p.name for p in out_dir.iterdir()] != ["exe"]:
        problems.append("the output folder changed")
    if problems:
        failed.append(name)
        print(f"{name}: {'; '.join(problems)}\n{done.stdout}")
    return errors


for case, damage in CASES.items():
    folder = top / "damaged"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(good, folder)
    damage(folder)
    found = attempt(case, page, folder, EXIT.get(case, 3))
    if len(found) > 1 and case not in SEVERAL:
        failed.append(case)
        print(f"{case}: {len(found)} errors\n" + "\n".join(found))
for case, damage in PAGES.items():
    model = top / "page.stn"
    model.write_text(damage(page.read_text(encoding="utf-8")), encoding="utf-8")
    attempt("page: " + case, model, good, 3)
attempt("no such page", top / "absent.stn", good, 5)
attempt("no such checkpoint", page, top / "absent", 5)
print(f"{len(CASES) + len(PAGES) + 2} cases, {len(failed)} failed")
sys.exit(bool(failed))
