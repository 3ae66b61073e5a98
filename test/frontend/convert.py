"""convert.py MODELS SCRATCH: setun convert between all formats and containers.

Every format gives executables with the bits of the checkpoint it was made of; every ordered pair goes there and back byte
for byte; what cannot be held is refused by tensor and rule, and leaves nothing behind.
"""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys

MODELS, SCRATCH = (pathlib.Path(a).resolve() for a in sys.argv[1:3])
FORMATS = {"i2_s": "", "i2_s:arm": "i2_s:arm", "i2_s:rows": "i2_s:rows", "tq1_0": "", "tq2_0": "", "q2_0": "",
           "q2_0_128": "", "tl1=64,64,32": "tl1=64,64,32",
           "tl2=32,96,32": "tl2=32,96,32"}  # and the dialect that reads them
LENGTHS = {"vocab": 96, "hidden": 256, "ffn": 512, "layers": 2, "heads": 4, "kv_heads": 2, "context": 64}
failures = []


def setun(*words, **env):
    done = subprocess.run(["setun", *words], cwd=SCRATCH, capture_output=True, text=True, timeout=100, check=False,
                          env={**os.environ, **env})
    return done.returncode, done.stderr


def check(ok, *said):
    if not ok:
        failures.append(" ".join(str(s) for s in said))
        print("failed:", *said)


def convert(source, to, out, dialect="", *more):
    code, said = setun("convert", source, "--to", to, "-o", out, *(("--dialect", dialect) if dialect else ()), *more)
    check(code == 0, source, "to", to, said)


def refused(source, to, out, *texts, code=4, more=()):
    got, said = setun("convert", source, "--to", to, "-o", out, *more)
    check(got == code and all(t in said for t in texts), source, "to", to, "gives", got, said)
    check(out == "plain" or not (SCRATCH / out).exists(), out, "was left behind")
    (SCRATCH / out).unlink(missing_ok=True) if out != "plain" else None


def same(a, b):
    check((SCRATCH / a).read_bytes() == (SCRATCH / b).read_bytes(), a, "and", b, "differ")


def logits(source, dialect="", tokenizer="syn/tokenizer.json"):
    words = ["build", source, "-o", "exe", "-q", "--tokenizer", tokenizer, *(("--dialect", dialect) if dialect else ())]
    code, said = setun(*words)
    check(code == 0, source, "builds", said)
    run = ["./exe", "run", "--tokens", "1,2,3,5,8", "-n", "3", "--temp", "0", "--ignore-eos", "-q", "--logits", "bits"]
    subprocess.run(run, cwd=SCRATCH, stdout=subprocess.DEVNULL, check=False, timeout=100)
    return (SCRATCH / "bits").read_bytes()


# ---- safetensors and GGUF, as far as this test needs them ----


def tensors(path):
    raw = (SCRATCH / path).read_bytes()
    n = struct.unpack("<Q", raw[:8])[0]
    head = json.loads(raw[8:8 + n])
    head.pop("__metadata__", None)
    return {k: (v["dtype"], v["shape"], raw[8 + n:][slice(*v["data_offsets"])]) for k, v in head.items()}


def write_tensors(path, all_of):
    head, data = {}, b""
    for name, (dtype, shape, raw) in all_of.items():
        head[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(head).encode()
    (SCRATCH / path).write_bytes(struct.pack("<Q", len(text)) + text + data)


def folder(name, change=None, edit_config=None):
    """A copy of syn with tensors and config changed."""
    shutil.copytree(SCRATCH / "syn", SCRATCH / name)
    all_of = tensors("syn/model.safetensors")
    if change:
        change(all_of)
        write_tensors(f"{name}/model.safetensors", all_of)
    if edit_config:
        config = json.loads((SCRATCH / name / "config.json").read_text())
        edit_config(config)
        (SCRATCH / name / "config.json").write_text(json.dumps(config))


def synth(page, out, **lengths):
    sets = [w for k, v in {**LENGTHS, **lengths}.items() for w in ("--set", f"{k}={v}")]
    code, said = setun("synth", str(MODELS / page), *sets, "-o", out)
    check(code == 0, said)


# ---- what is tested ----


def pairs():
    """All formats, with the bits of the first; there and back."""
    want = logits("syn")
    check(len(want) > 0, "no logits")
    names = {f: f"f{i}.gguf" for i, f in enumerate(FORMATS)}
    convert("syn", "hf_u8", "plain")
    for f, dialect in FORMATS.items():
        convert("plain", f, names[f])
        check(logits(names[f], dialect) == want, f, "gives other logits")
        convert(names[f], "hf_u8", "back", dialect)
        same("plain/model.safetensors", "back/model.safetensors")
    for f in FORMATS:
        for g in FORMATS:
            convert(names[f], g, "there.gguf", FORMATS[f])
            same("there.gguf", names[g])
            convert("there.gguf", f, "again.gguf", FORMATS[g])
            same("again.gguf", names[f])


def executable():
    setun("build", "syn", "-o", "own", "-q")
    convert("own", "hf_u8", "of_exe")
    same("of_exe/model.safetensors", "plain/model.safetensors")
    convert("own", "tq1_0", "of_exe.gguf")
    convert("syn", "tq1_0", "of_syn.gguf")
    same("of_exe.gguf", "of_syn.gguf")
    convert("of_exe.gguf", "hf_u8", "of_exe_back")
    same("of_exe_back/model.safetensors", "plain/model.safetensors")
    check(logits("of_exe") == logits("syn"), "an executable's weights give other logits")


def folders():
    """What lies beside weights goes with them."""
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        same(f"plain/{name}", f"syn/{name}")
    convert("syn", "hf_u8", "alone.safetensors")
    same("alone.safetensors", "plain/model.safetensors")
    odd = 'a "b" \\ \u00e9\n'
    folder("extra", lambda all_of: all_of.update({odd: ("I32", [2], b"12345678")}))
    convert("extra", "hf_u8", "extra_again", "", "--model", "bitnet-b1.58")
    check(tensors("extra_again/model.safetensors").get(odd) == ("I32", [2], b"12345678"), "a tensor was lost")
    convert("extra", "i2_s", "extra.gguf", "", "--model", "bitnet-b1.58")
    check(b"12345678" not in (SCRATCH / "extra.gguf").read_bytes(), "a tensor without a name was written")


def perplexity():
    """The same to the last digit."""
    shutil.copytree(MODELS / "shakespeare", SCRATCH / "sh", ignore=shutil.ignore_patterns("train"))
    convert("sh", "q2_0", "sh.gguf")
    said = []
    for source in ("sh", "sh.gguf"):
        setun("build", source, "-o", "exe", "-q", "--tokenizer", "sh/tokenizer.json")
        done = subprocess.run(["./exe", "ppl", "-q", "-f", "sh/prose.txt"], cwd=SCRATCH, capture_output=True, check=False)
        said.append((done.returncode, done.stdout))
    check(said[0] == said[1] and said[0][0] == 0 and said[0][1], "perplexities", said)


def head_rows(raw, heads, cols, size):
    """Rows of each head, i and i + half side by side."""
    row = cols * size
    d = len(raw) // row // heads
    order = [h * d + b + a * (d // 2) for h in range(heads) for b in range(d // 2) for a in range(2)]
    return b"".join(raw[i * row:(i + 1) * row] for i in order)


def unpack_u8(raw, cols):
    """One byte a trit."""
    rows = [[(b >> 2 * j & 3) for b in raw] for j in range(4)]
    return bytes(b for chunk in rows for b in chunk), cols


def paired():
    """Queries and keys of a llama GGUF have their rows in pairs; they come back."""
    synth("llama-ternary.stn", "lm")
    config = json.loads((SCRATCH / "lm/config.json").read_text())
    config["architectures"] = ["LlamaForCausalLM"]
    (SCRATCH / "lm/config.json").write_text(json.dumps(config))
    convert("lm", "hf_u8", "lm_plain")
    convert("lm", "tq2_0", "lm.gguf")
    convert("lm.gguf", "hf_u8", "lm_back")
    same("lm_plain/model.safetensors", "lm_back/model.safetensors")
    tokenizer = "lm/tokenizer.json"
    check(logits("lm", "", tokenizer) == logits("lm.gguf", "", tokenizer), "paired rows give other logits")
    convert("lm.gguf", "i2_s:rows", "lm_rows.gguf")  # four rows a byte: easy to look at
    raw = (SCRATCH / "lm_rows.gguf").read_bytes()
    own = tensors("lm_plain/model.safetensors")
    for name, heads, moved in (("q", 4, True), ("k", 2, True), ("v", 2, False)):
        codes, cols = unpack_u8(own[f"model.layers.0.self_attn.{name}_proj.weight"][2], 256)
        if moved:
            codes = head_rows(codes, heads, cols, 1)
        packed = bytes(codes[g * 4 * cols + c] << 6 | codes[(g * 4 + 1) * cols + c] << 4 |
                       codes[(g * 4 + 2) * cols + c] << 2 | codes[(g * 4 + 3) * cols + c]
                       for g in range(len(codes) // cols // 4) for c in range(cols))
        check(packed in raw, f"attn_{name} is not in its order")


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


# The bits of the first number above 1 that is not the inverse of its inverse, in f32.
NO_INVERSE = next(b for b in range(0x3f800000, 0x40000000)
                  if f32(1 / f32(1 / struct.unpack("<f", struct.pack("<I", b))[0])) !=
                  struct.unpack("<f", struct.pack("<I", b))[0])


def scales():
    """The sense of scales beside, and what their kinds keep out."""
    name = "model.layers.1.mlp.down_proj.weight"

    def store(bits):
        def change(all_of):
            for n in list(all_of):
                if n.endswith("_scale"):
                    all_of[n] = ("F32", [1], struct.pack("<I", bits))
        return change

    def divide(config):
        config["quantization_config"] = {"linear_class": "bitlinear"}

    folder("inverse", store(0x3f400000), divide)  # 0.75
    convert("inverse", "i2_s", "inverse.gguf")
    convert("inverse.gguf", "hf_u8", "multiply")
    got = tensors("multiply/model.safetensors")[f"{name}_scale"]
    check(got[0] == "F32" and struct.unpack("<f", got[2])[0] == f32(1 / 0.75),
          "1/0.75 became", got)
    check(logits("inverse") == logits("inverse.gguf") == logits("multiply"), "the sense of scales was lost")
    convert("inverse", "hf_u8", "inverse_again")
    check(tensors("inverse_again/model.safetensors")[f"{name}_scale"] == tensors("inverse/model.safetensors")[
        f"{name}_scale"], "stored scales changed")
    folder("no_inverse", store(NO_INVERSE), divide)
    refused("no_inverse", "i2_s", "x.gguf", "is not the inverse of its inverse", "weight_scale'")
    folder("wide", store(0x3f800001))
    refused("wide", "tq1_0", "x.gguf", "scales are exact in f16", "q_proj.weight'")
    convert("wide", "tl2=32,96,32", "wide.gguf")

    def recovered(all_of):  # a dense matrix that is trits times a scale already
        store(0x3f400000)(all_of)
        del all_of[f"{name}_scale"]
        all_of[name] = ("F32", [256, 512], b"".join(struct.pack("<f", (i * i % 3 - 1) * 0.7) for i in range(256 * 512)))

    folder("recovered", recovered, divide)
    convert("recovered", "hf_u8", "packed")  # all scales multiply now, and config.json says so
    check(tensors("packed/model.safetensors")[name][0] == "U8", "a dense matrix was not packed")
    check(logits("recovered") == logits("packed"), "scales made for a dense matrix have another sense")

    def rows(all_of):
        for n in list(all_of):
            if n.endswith("_scale"):
                count = 4 * all_of[n[:-len("_scale")]][1][0]
                all_of[n] = ("F32", [count], b"".join(struct.pack("<f", (1 + i % 7) / 8) for i in range(count)))

    folder("rows", rows)
    want = logits("rows")
    for f in ("tq1_0", "tq2_0", "q2_0", "q2_0_128"):
        convert("rows", f, "rows.gguf")
        check(logits("rows.gguf") == want, "rows in", f, "give other logits")
        convert("rows.gguf", "hf_u8", "rows_back")
        check({k: v for k, v in tensors("rows_back/model.safetensors").items() if "_scale" not in k} ==
              {k: v for k, v in tensors("rows/model.safetensors").items() if "_scale" not in k}, f, "and rows")
    refused("rows", "i2_s", "x.gguf", "one scale a matrix", "q_proj.weight'")


def failures_of_writing():
    """Each write, sync and rename that fails leaves nothing of what it wrote, and no temporary file."""
    for out, to in (("x.gguf", "i2_s"), ("x", "hf_u8")):
        for n in range(1, 40):
            code, said = setun("convert", "syn", "--to", to, "-o", out, SETUN_FAIL_WRITE=f"{n},ENOSPC")
            if code == 0:
                break
            made = SCRATCH / out
            left = [p.name for p in (made.iterdir() if made.is_dir() else SCRATCH.glob("*x.gguf*"))]
            check(code == 6 and not left, n, "leaves", left, said)
            check(not made.is_dir(), n, "leaves an empty folder")
            shutil.rmtree(made, ignore_errors=True)
        check(1 < n < 39, "writes of", out, n)
        same(f"{out}/model.safetensors" if to == "hf_u8" else out,
             "plain/model.safetensors" if to == "hf_u8" else "of_i2_s.gguf")
        shutil.rmtree(SCRATCH / out) if to == "hf_u8" else (SCRATCH / out).unlink()


def talk():
    """-q is silent but for warnings; what is quick has no lines of progress."""
    code, said = setun("convert", "plain", "--to", "hf_u8", "-o", "quiet", "-q")
    check(code == 0 and said == "", "-q says", said)
    code, said = setun("convert", "plain", "--to", "hf_u8", "-o", "quiet")
    check(code == 0 and said.count("\n") == 1 and "model bitnet-b1.58" in said, "said", said)


def refusals():
    refused("syn", "i3_s", "x.gguf", "did you mean", code=2)
    refused("syn", "i2_64", "x.gguf", "executables", code=2)
    refused("syn", "hf_u8", "x.gguf", "GGUF files cannot hold hf_u8")
    refused("syn", "i2_s", "x.safetensors", "safetensors files cannot hold i2_s")
    refused("syn", "tl1", "x.gguf", "the tiling is given, or known for this shape", "q_proj.weight'")
    refused("syn", "tl1=48,64,16", "x.gguf", "inner tiles have 32 or 64 rows")
    refused("plain", "hf_u8", "plain", code=2)
    synth("bitnet-b1.58.stn", "narrow", hidden=192, ffn=320, heads=3, kv_heads=1)
    refused("narrow", "i2_s", "x.gguf", "columns are a multiple of 128", "layers.0.self_attn.q_proj.weight'")
    refused("narrow", "tq1_0", "x.gguf", "columns are a multiple of 256")
    convert("narrow", "q2_0", "narrow.gguf")

    def dense(all_of):
        n = "model.layers.1.mlp.up_proj.weight"
        del all_of[f"{n}_scale"]
        all_of[n] = ("F32", [512, 256], b"".join(struct.pack("<f", (i % 11 - 5) / 8) for i in range(512 * 256)))

    folder("dense", dense)
    refused("dense", "q2_0", "x.gguf", "rounded to trits", "layers.1.mlp.up_proj.weight'")
    code, said = setun("convert", "syn", "--to", "i2_s", "-o", "syn/config.json/x.gguf")
    check(code == 5, "a folder that is none gives", code, said)


def main():
    shutil.rmtree(SCRATCH, ignore_errors=True)
    SCRATCH.mkdir(parents=True)
    synth("bitnet-b1.58.stn", "syn")
    convert("syn", "hf_u8", "plain") if "fast" in sys.argv else pairs()
    executable()
    folders()
    perplexity()
    paired()
    scales()
    convert("syn", "i2_s", "of_i2_s.gguf")
    failures_of_writing()
    talk()
    refusals()
    sys.exit(1 if failures else 0)


main()
