"""packages.py MODELS SCRATCH: codec/ beside the quantisers and dequantisers of the package gguf, bit by bit.

setun-codec decodes random blocks of every type that the package decodes, and encodes what it encodes; GGUF files that setun
convert writes are read with the package, and safetensors files with the package of that name.
"""
import pathlib
import shutil
import subprocess
import sys
import warnings

import gguf
import numpy as np
import safetensors.numpy
from gguf import quants

MODELS, SCRATCH = (pathlib.Path(a).resolve() for a in sys.argv[1:3])
TYPES = gguf.GGMLQuantizationType
COLS = 1024
SUB_NORMS = {"attn_sub_norm": "inner_attn_ln", "ffn_sub_norm": "ffn_layernorm"}
failures = []
rng = np.random.default_rng(20260821)


def check(ok, *said):
    if not ok:
        failures.append(said)
        print("failed:", *said)


def codec(what, name, data):
    done = subprocess.run(["setun-codec", what, name, str(COLS)], input=data, capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout


def setun(*words):
    done = subprocess.run(["setun", *words], cwd=SCRATCH, capture_output=True, text=True, timeout=100, check=False)
    check(done.returncode == 0, *words, done.stderr)


def half_bits(n):
    """Scales: finite, both signs, subnormal ones too."""
    return rng.integers(0, 0x7c00, n, dtype=np.uint16) | (rng.integers(0, 2, n, dtype=np.uint16) << 15)


def decode_real():
    places = {"Q8_0": (0,), "Q4_0": (0,), "Q4_K": (0, 2), "Q6_K": (208,)}
    for name, at in places.items():
        block, size = gguf.GGML_QUANT_SIZES[TYPES[name]]
        raw = rng.integers(0, 256, (4000, size), dtype=np.uint8)
        for place in at:
            raw[:, place:place + 2] = half_bits(len(raw)).view(np.uint8).reshape(-1, 2)
        raw = raw.reshape(-1, COLS // block * size)
        code, got = codec("decode", name.lower(), raw.tobytes())
        want = quants.dequantize(raw, TYPES[name]).astype(np.float32)
        check(code == 0 and np.array_equal(np.frombuffer(got, np.float32), want.ravel()), "decode", name)


def encode_real():
    x = rng.standard_normal((300, COLS)).astype(np.float32) * np.exp2(rng.integers(-12, 4, (300, 1))).astype(np.float32)
    x[7, 64:128] = 0
    for name in ("Q8_0", "Q4_0"):
        code, got = codec("encode", name.lower(), x.tobytes())
        want = quants.quantize(x, TYPES[name])
        check(code == 0 and got == want.tobytes(), "encode", name)


def ternary():
    """Trits times a scale a block, some blocks zero; and random bytes: refused, or the same values."""
    x = rng.integers(-1, 2, (200, COLS // 256, 256)).astype(np.float32)
    x *= half_bits(200 * COLS // 256).view(np.float16).astype(np.float32).reshape(200, -1, 1)
    x[rng.random(x.shape[:2]) < .1] = 0
    x = np.abs(x) * np.sign(x)
    x = x.reshape(200, COLS)
    for name in ("TQ1_0", "TQ2_0"):
        want = quants.quantize(x, TYPES[name])
        code, got = codec("encode", name.lower(), x.tobytes())
        check(code == 0 and got == want.tobytes(), "encode", name)
        code, got = codec("decode", name.lower(), want.tobytes())
        check(code == 0 and np.array_equal(np.frombuffer(got, np.float32), x.ravel()), "decode", name)
        size = gguf.GGML_QUANT_SIZES[TYPES[name]][1]
        refused = 0
        for _ in range(150):
            raw = want[:1].copy()
            at, bit = int(rng.integers(raw.size)), int(rng.integers(8))
            raw[0, at] ^= 1 << bit
            code, got = codec("decode", name.lower(), raw.tobytes())
            refused += code == 1
            with np.errstate(invalid="ignore"):
                values = quants.dequantize(raw, TYPES[name])
            check(code == 1 or np.array_equal(np.frombuffer(got, np.float32), values.ravel()), name, "byte", at % size)
        check(0 < refused < 150, name, "refused", refused)


def files():
    """A model of every kind of tensor, as the packages see it before and after."""
    sizes = {"vocab": 96, "hidden": 256, "ffn": 512, "layers": 2, "heads": 4, "kv_heads": 2, "context": 64}
    sets = [w for k, v in sizes.items() for w in ("--set", f"{k}={v}")]
    setun("synth", str(MODELS / "bitnet-b1.58.stn"), *sets, "-o", "syn")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own = read_safetensors("syn/model.safetensors")
    for name in ("TQ1_0", "TQ2_0"):
        setun("convert", "syn", "--to", name.lower(), "-o", f"{name}.gguf")
        reader = gguf.GGUFReader(SCRATCH / f"{name}.gguf")
        check(reader.fields["general.architecture"].contents() == "bitnet-b1.58", "architecture")
        check(reader.fields["bitnet-b1.58.block_count"].contents() == 2, "layers")
        names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BITNET, 2)
        found = {t.name: t for t in reader.tensors}
        for theirs, (values, scale) in own.items():
            base, ending = theirs.rsplit(".", 1)
            for ours, known in SUB_NORMS.items():  # the table of the package has those of 1bitLLM
                base = base.replace(ours, known)
            ours = found.pop(f"{names.get_name(base)}.{ending}", None)
            if ours is None:
                check(False, "no tensor for", theirs)
            elif scale is None:
                got = ours.data.view(np.uint16).reshape(values.shape)
                check(ours.tensor_type == TYPES.BF16 and np.array_equal(got, values), theirs)
            else:
                got = quants.dequantize(ours.data, TYPES[name])
                check(ours.tensor_type == TYPES[name] and np.array_equal(got, values * scale), theirs)
        check(not found, "more tensors than there were", list(found))


def read_safetensors(path):
    """name -> (trits, scale) or (bits of bf16, None)."""
    raw = dict(safetensors.deserialize((SCRATCH / path).read_bytes()))
    own = {}
    for name, t in raw.items():
        if name.endswith("_scale"):
            continue
        bits = np.frombuffer(t["data"], np.uint8 if t["dtype"] == "U8" else np.uint16).reshape(t["shape"])
        if t["dtype"] == "U8":
            trits = np.concatenate([(bits >> 2 * j & 3).astype(np.float32) - 1 for j in range(4)])
            scale = np.frombuffer(raw[f"{name}_scale"]["data"], np.uint16).astype(np.uint32) << 16
            own[name] = (trits, scale.view(np.float32)[0])
        else:
            own[name] = (bits, None)
    return own


def main():
    shutil.rmtree(SCRATCH, ignore_errors=True)
    SCRATCH.mkdir(parents=True)
    decode_real()
    encode_real()
    ternary()
    files()
    sys.exit(1 if failures else 0)


main()
