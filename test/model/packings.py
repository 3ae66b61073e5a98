"""packings.py FOLDER: the same weights in every packing give executables with the same bits of every logit.

Safetensors are written by families.py, GGUF files by the gguf package with its own quantisers; `setun convert` writes what
that package cannot.  Embedding, norms and biases are f32, f16 or bf16, which hold them exactly.  Rows of q and k stand in
pairs in GGUF files of the llama family.
"""
import json
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "ref"))

import gguf
import numpy as np

from families import WIDER, family, pack, stored, tokens, write

NAMES = {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output", "input_layernorm": "attn_norm",
         "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
         "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate",
         "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "self_attn.attn_sub_norm": "attn_sub_norm",
         "mlp.ffn_sub_norm": "ffn_sub_norm", "self_attn.inner_attn_ln": "attn_sub_norm",
         "mlp.ffn_layernorm": "ffn_sub_norm", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm"}
NAMES |= {f"{of}.norm": f"{NAMES[of]}_norm_in" for of in list(NAMES) if of.endswith("_proj")}
GEMMA = {"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
         "post_feedforward_layernorm": "post_ffw_norm"}
ARCHS = {"BitNetForCausalLM": "bitnet-b1.58", "LlamaForCausalLM": "llama", "BitnetForCausalLM": "bitnet",
         "Qwen3ForCausalLM": "qwen3", "Qwen3Model": "qwen3", "Gemma3TextModel": "gemma3"}
CONVERTED = ("tl1=64,64,32", "tl2=64,96,32", "tq1_0", "tq2_0", "q2_0", "q2_0_128", "i2_s", "i2_s:arm", "i2_s:rows", "hf_u8")


def converted(to):
    """The file; and what its bytes do not tell."""
    name = "converted-" + to.split("=")[0].replace(":", "-") + ("" if to == "hf_u8" else ".gguf")
    return name, ("--dialect", to) if "=" in to or ":" in to else ()


DIALECTS = dict(converted(to) for to in CONVERTED)


# ---- safetensors ----

def dense(real, ternary, to):
    out = {k: v.astype(to) for k, v in real.items()}
    return out | {k + ".weight": (t * s).astype(to) for k, (t, s) in ternary.items()}


def bf16(a):
    return (np.ascontiguousarray(a, np.float32).view(np.uint32) >> 16).astype(np.uint16)


def packed(real, ternary, scale):
    out = dict(real)
    for k, (t, s) in ternary.items():
        out[k + ".weight"], out[k + ".weight_scale"] = pack(t), np.array([scale(s)], np.float32)
    return out


def shards(folder, name):
    """Every other tensor in the second file, so that scales are not beside their trits."""
    arrays = stored(name)
    files = [f"model-0000{i + 1}-of-00002.safetensors" for i in range(2)]
    where = {key: files[i % 2] for i, key in enumerate(arrays)}
    for file in files:
        write(folder, name, {k: a for k, a in arrays.items() if where[k] == file}, file=file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}), encoding="ascii")


def safetensors(folder, name):
    real, ternary = family(name).tensors()
    bit = {"quant_method": "bitnet", "linear_class": "bitlinear"}
    write(folder / "u8", name)
    write(folder / "u8-inverse", name, packed(real, ternary, lambda s: 1 / s), quantization_config=bit)
    shards(folder / "shards", name)
    write(folder / "f32", name, dense(real, ternary, np.float32), quantization_config=None)
    write(folder / "f16", name, dense(real, ternary, np.float16), quantization_config=None)
    levels = {k: bf16(v) for k, v in dense(real, ternary, np.float32).items()}
    write(folder / "bf16", name, levels, quantization_config=None)
    return ["u8", "u8-inverse", "shards", "f32", "f16", "bf16"]


# ---- GGUF ----

def gguf_name(key, arch):
    """model.layers.3.self_attn.q_proj.weight -> blk.3.attn_q.weight"""
    names = NAMES | GEMMA if arch == "gemma3" else NAMES
    parts, layer = key.removeprefix("model.").rsplit(".", 1), ""
    if parts[0].startswith("layers."):
        _, i, parts[0] = parts[0].split(".", 2)
        layer = f"blk.{i}."
    return f"{layer}{names[parts[0]]}.{parts[1]}"


def pairs(a, d):
    """Rows of heads of d: (heads, 2, d / 2) -> (heads, d / 2, 2)."""
    return a.reshape(-1, 2, d // 2, *a.shape[1:]).swapaxes(1, 2).reshape(a.shape)


def encoded(kind, t, scale):
    """Array and type as add_tensor takes them."""
    values = (t * scale).astype(np.float32)
    if kind == "F16":
        return values.astype(np.float16), None
    if kind == "F32":
        return values, None
    q = gguf.GGMLQuantizationType[kind]
    return gguf.quants.quantize(values, q), q


def write_gguf(path, name, kind):
    f = family(name)
    c, arch = f.config, ARCHS[f.config["architectures"][0]]
    w = gguf.GGUFWriter(str(path), arch)
    w.add_block_count(c["num_hidden_layers"])
    w.add_context_length(c["max_position_embeddings"])
    w.add_embedding_length(c["hidden_size"])
    w.add_feed_forward_length(c["intermediate_size"])
    w.add_head_count(c["num_attention_heads"])
    w.add_head_count_kv(c["num_key_value_heads"])
    d = c.get("head_dim", c["hidden_size"] // c["num_attention_heads"])
    w.add_rope_dimension_count(d)
    w.add_key_length(d)
    w.add_value_length(d)
    if arch == "gemma3":
        w.add_sliding_window(c["sliding_window"])
    w.add_rope_freq_base(c["rope_theta"])
    w.add_layer_norm_rms_eps(c["rms_norm_eps"])
    w.add_vocab_size(c["vocab_size"])
    real, ternary = f.tensors()
    turned = ("q_proj", "k_proj") if arch == "llama" else ("-",)
    for key, a in real.items():
        a = pairs(a, d) if key.endswith(".bias") and key[:-5].endswith(turned) else a
        if arch == "gemma3" and key.endswith("norm.weight") and not key.endswith("_proj.norm.weight"):
            a = a + np.float32(1)  # as its converter does, with the model's own norms only
        w.add_tensor(gguf_name(key, arch), a.astype(np.float16) if a.ndim > 1 and kind != "F32" else a)
    for key, (t, scale) in ternary.items():
        t = pairs(t, d) if key.endswith(turned) else t
        data, q = encoded(kind, t, scale)
        w.add_tensor(gguf_name(key + ".weight", arch), data, raw_dtype=q)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


# ---- comparing ----

def run(*args):
    done = subprocess.run([str(a) for a in args], capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, args))}: {done.stderr.decode()}")
    return done.stdout or done.stderr


def answers(path, exe, ids):
    """Logits' bytes and the perplexity's line, or the bytes of a vector; and the page."""
    page = run("setun", "build", path, "-o", exe, *DIALECTS.get(path.name, ())).splitlines()[0].split()[1]
    words, logits = ",".join(map(str, ids)), exe.with_suffix(".logits")
    if page.endswith(b"-embedding"):
        return page, run(exe, "embed", "--tokens", words, "-o", "raw", "-q")
    said = run(exe, "ppl", "--tokens", words, "-q", "--logits", logits)
    return page, logits.read_bytes(), said


def convert(folder, name):
    """What convert writes of this model: all of CONVERTED."""
    made = []
    for to in CONVERTED:
        path = folder / converted(to)[0]
        done = subprocess.run(["setun", "convert", folder / "u8", "--to", to, "-o", path, "-q"], capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{name}: {to}: {done.stderr.decode()}")
        made.append(path.name)
    return made


def main():
    root, bad = pathlib.Path(sys.argv[1]), []
    for name in WIDER:
        folder, every = root / name, name in ("wide-bitnet", "wide-llama")
        ids = tokens(name)
        files = safetensors(folder, name) if every else ["u8"]
        if not every:
            write(folder / "u8", name)
        for kind in ("F32", "F16", "TQ1_0", "TQ2_0") if every else ("TQ2_0",):
            write_gguf(folder / f"{kind}.gguf", name, kind)
            files.append(f"{kind}.gguf")
        files += convert(folder, name) if every else []
        want = None
        for file in files:
            got = answers(folder / file, folder / (file + ".exe"), ids)
            want = want or got
            print(f"{name}: {file}: {'as the others' if got == want else 'DIFFERS'}")
            bad += [f"{name}/{file}"] if got != want else []
    sys.exit(bool(bad))


main()
