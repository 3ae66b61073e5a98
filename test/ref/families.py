"""Tiny checkpoints of the model families that the pages in models/ are for.

    families.py NAME OUT      writes OUT as a folder of Hugging Face's kind
    families.py --list

Numbers come from a hash of the tensor's name, so record_logits.py (with torch and transformers) and the tests (with
numpy alone) have the same weights.  A family is a config.json, the names and shapes of its tensors, and how its ternary
matrices lie in the file:

    packed    uint8, four trits a byte, with weight_scale (quantization_config.linear_class says whether it divides)
    masters   dense numbers, quantised by their mean magnitude when they are read
    levels    dense numbers that are -c, 0 or c already, with a c for each block of rows
"""
import json
import pathlib
import struct
import sys

import numpy as np

sys.dont_write_bytecode = True
from checkpoint import mix

TOKENS = 32


def words(name, n):
    h = 0xCBF29CE484222325
    for b in name.encode():
        h = (h ^ b) * 0x100000001B3 % (1 << 64)
    base = mix(np.array([h], dtype=np.uint64))
    return mix(base + np.uint64(0x9E3779B97F4A7C15) * np.arange(1, n + 1, dtype=np.uint64))


def below(name, n, limit):
    """n whole numbers in [0, limit)."""
    return ((words(name, n) >> np.uint64(32)) * np.uint64(limit) >> np.uint64(32)).astype(np.int64)


def gains(name, n, around=1.0):
    return (around + (below(name, n, 17) - 8) / 32).astype(np.float32)


def table(name, shape):
    return ((below(name, int(np.prod(shape)), 257) - 128) / 128).astype(np.float32).reshape(shape)


def trits(name, shape):
    return (below(name, int(np.prod(shape)), 3) - 1).astype(np.int8).reshape(shape)


def scale(name, cols):
    """Of the size that keeps values near 1, with few enough digits for bf16."""
    return np.float32((1 + below(name + ".scale", 1, 32)[0] / 32) * 2.0 ** -np.ceil(np.log2(cols) / 2))


def masters(name, shape):
    return (trits(name, shape) * 0.75 + (below(name + ".noise", int(np.prod(shape)), 65) - 32).reshape(shape) / 128).astype(np.float32) * scale(name, shape[1])


# ---- families ----

BASE = {"vocab_size": 72, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "attention_bias": False, "tie_word_embeddings": True, "bos_token_id": 70, "eos_token_id": 71}
PACKED = {"quant_method": "bitnet", "linear_class": "bitlinear"}
OFFLINE = {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "offline"}
ONLINE = {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "online"}


class Family:
    def __init__(self, page, arch, model_type, ternary, quant=None, sub_norms=(), norm_in=None, heads=(), post=False,
                 biases=False, gain=1.0, prefix="model.", exact=False, **config):
        self.exact = exact  # scales are powers of two: their inverses are numbers too
        self.page, self.ternary, self.quant = page, ternary, quant
        self.sub_norms, self.norm_in, self.heads, self.post, self.biases = sub_norms, norm_in, heads, post, biases
        self.gain, self.prefix = gain, prefix
        self.config = {"architectures": [arch], "model_type": model_type, **BASE, **config}
        if quant:
            self.config["quantization_config"] = quant

    def linears(self):
        """name -> rows, columns."""
        c = self.config
        hidden, ffn = c["hidden_size"], c["intermediate_size"]
        d = c.get("head_dim", hidden // c["num_attention_heads"])
        q, k = c["num_attention_heads"] * d, c["num_key_value_heads"] * d
        return {"self_attn.q_proj": (q, hidden), "self_attn.k_proj": (k, hidden), "self_attn.v_proj": (k, hidden),
                "self_attn.o_proj": (hidden, q), "mlp.gate_proj": (ffn, hidden), "mlp.up_proj": (ffn, hidden),
                "mlp.down_proj": (hidden, ffn)}

    def layer(self, at):
        """Everything of a layer but its ternary matrices: name -> array."""
        c, out = self.config, {}
        hidden, linears = c["hidden_size"], self.linears()
        norms = ["input_layernorm", "post_attention_layernorm"]
        if self.post:
            norms += ["pre_feedforward_layernorm", "post_feedforward_layernorm"]
        for name in norms:
            out[f"{at}{name}.weight"] = gains(at + name, hidden, self.gain)
        for name, of in zip(self.sub_norms, ("self_attn.o_proj", "mlp.down_proj")):
            out[f"{at}{name}.weight"] = gains(at + name, linears[of][1])
        for name in self.heads:
            out[f"{at}self_attn.{name}.weight"] = gains(at + name, c["head_dim"], self.gain)
        for name, (rows, cols) in linears.items():
            if self.norm_in:
                out[f"{at}{name}.{self.norm_in}.weight"] = gains(at + name + ".norm", cols)
            if self.biases:
                out[f"{at}{name}.bias"] = (gains(at + name + ".bias", rows, 0.0) * np.float32(2)).astype(np.float32)
        return out

    def tensors(self):
        """Real tensors by name, and ternary ones: name without .weight -> (trits, scales) or masters."""
        c = self.config
        real = {self.prefix + "embed_tokens.weight": table("embed", (c["vocab_size"], c["hidden_size"])),
                self.prefix + "norm.weight": gains("norm", c["hidden_size"], self.gain)}
        if not c["tie_word_embeddings"]:
            real["lm_head.weight"] = table("lm_head", (c["vocab_size"], c["hidden_size"]))
        ternary = {}
        for i in range(c["num_hidden_layers"]):
            at = f"{self.prefix}layers.{i}."
            real |= self.layer(at)
            for name, shape in self.linears().items():
                ternary[at + name] = self.matrix(at + name, shape)
        return real, ternary

    def matrix(self, name, shape):
        if self.ternary == "masters":
            return masters(name, shape)
        if self.ternary == "levels":  # two blocks of rows, each with its magnitude
            each = np.repeat([scale(name, shape[1]), scale(name + "2", shape[1])], shape[0] // 2)
            return trits(name, shape) * each[:, None].astype(np.float32)
        return trits(name, shape), self.scale(name, shape[1])

    def scale(self, name, cols):
        return np.exp2(np.floor(np.log2(scale(name, cols)))).astype(np.float32) if self.exact else scale(name, cols)


FAMILIES = {
    "bitnet": Family("bitnet-b1.58", "BitNetForCausalLM", "bitnet", "packed", OFFLINE, hidden_act="relu2",
                     sub_norms=("self_attn.attn_sub_norm", "mlp.ffn_sub_norm"), rope_theta=500000.0),
    "bitnet-masters": Family("bitnet-b1.58", "BitNetForCausalLM", "bitnet", "masters", ONLINE, hidden_act="relu2",
                             sub_norms=("self_attn.attn_sub_norm", "mlp.ffn_sub_norm"), tie_word_embeddings=False),
    "1bitllm": Family("bitnet-1bitllm", "BitnetForCausalLM", "bitnet", "masters", None, hidden_act="silu",
                      sub_norms=("self_attn.inner_attn_ln", "mlp.ffn_layernorm"), num_key_value_heads=4),
    "llama": Family("llama-ternary", "LlamaForCausalLM", "llama", "packed", PACKED, hidden_act="silu",
                    tie_word_embeddings=False, rope_theta=500000.0),
    "llama-scaled": Family("llama-ternary", "LlamaForCausalLM", "llama", "packed", PACKED, hidden_act="silu", head_dim=24,
                           rope_scaling={"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                                         "high_freq_factor": 4.0, "original_max_position_embeddings": 32}),
    "llama-biases": Family("llama-ternary", "LlamaForCausalLM", "llama", "packed", {**PACKED, "use_rms_norm": True},
                           hidden_act="silu", biases=True, norm_in="rms_norm", attention_bias=True, mlp_bias=True,
                           rope_scaling={"rope_type": "linear", "factor": 4.0}),
    "trilm": Family("llama-ternary", "LlamaForCausalLM", "llama", "levels", None, hidden_act="silu",
                    num_key_value_heads=4, tie_word_embeddings=False),
    "qwen3": Family("qwen3-ternary", "Qwen3ForCausalLM", "qwen3", "packed", PACKED, hidden_act="silu", head_dim=24,
                    heads=("q_norm", "k_norm"), rms_norm_eps=1e-6, rope_theta=1000000.0),
    "qwen3-embedding": Family("qwen3-embedding", "Qwen3Model", "qwen3", "masters", None, hidden_act="silu", head_dim=24,
                              heads=("q_norm", "k_norm"), norm_in="norm", prefix="", rms_norm_eps=1e-6, rope_theta=1000000.0),
    "gemma3-embedding": Family("gemma3-embedding", "Gemma3TextModel", "gemma3_text", "masters", None,
                               hidden_activation="gelu_pytorch_tanh", head_dim=24, heads=("q_norm", "k_norm"),
                               norm_in="norm", prefix="", post=True, gain=0.0, rms_norm_eps=1e-6, rope_theta=None,
                               rope_parameters={"full_attention": {"rope_type": "default", "rope_theta": 1000000.0},
                                                "sliding_attention": {"rope_type": "default", "rope_theta": 5000.0}},
                               layer_types=["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
                               sliding_window=8, num_hidden_layers=4, query_pre_attn_scalar=20),
}


# Not recorded: of sizes that every packing takes, for packings.py.
WIDE = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2}
WIDER = {
    "wide-bitnet": Family("bitnet-b1.58", "BitNetForCausalLM", "bitnet", "packed", OFFLINE, hidden_act="relu2", exact=True,
                          sub_norms=("self_attn.attn_sub_norm", "mlp.ffn_sub_norm"), **WIDE),
    "wide-llama": Family("llama-ternary", "LlamaForCausalLM", "llama", "packed", OFFLINE, hidden_act="silu", exact=True,
                         tie_word_embeddings=False, biases=True, attention_bias=True, **WIDE),
    "wide-1bitllm": Family("bitnet-1bitllm", "BitnetForCausalLM", "bitnet", "packed", OFFLINE, hidden_act="silu", exact=True,
                           sub_norms=("self_attn.inner_attn_ln", "mlp.ffn_layernorm"), **WIDE),
    "wide-qwen3": Family("qwen3-ternary", "Qwen3ForCausalLM", "qwen3", "packed", OFFLINE, hidden_act="silu", exact=True,
                         head_dim=128, heads=("q_norm", "k_norm"), **WIDE),
    "wide-qwen3-embedding": Family("qwen3-embedding", "Qwen3Model", "qwen3", "packed", OFFLINE, hidden_act="silu",
                                   exact=True, head_dim=128, heads=("q_norm", "k_norm"), norm_in="norm", prefix="", **WIDE),
    "wide-gemma3-embedding": Family("gemma3-embedding", "Gemma3TextModel", "gemma3_text", "packed", OFFLINE, exact=True,
                                    hidden_activation="gelu_pytorch_tanh", head_dim=128, heads=("q_norm", "k_norm"),
                                    norm_in="norm", prefix="", post=True, gain=0.0, sliding_window=8,
                                    query_pre_attn_scalar=128, **{**WIDE, "num_hidden_layers": 6}),
}


def family(name):
    return FAMILIES.get(name) or WIDER[name]


def tokens(name):
    return below("tokens of " + name, TOKENS, family(name).config["vocab_size"]).tolist()


# ---- files ----

def pack(t):
    """Four chunks of rows in the bit pairs of a byte."""
    rows = (len(t) + 3) // 4
    out = np.zeros((rows, t.shape[1]), np.uint8)
    for i in range(4):
        chunk = t[i * rows:(i + 1) * rows] + 1
        out[:len(chunk)] |= chunk.astype(np.uint8) << np.uint8(2 * i)
    return out


def stored(name):
    """Arrays by the names and in the types of the file."""
    f = family(name)
    real, ternary = f.tensors()
    out = dict(real)
    for key, value in ternary.items():
        if f.ternary == "packed":
            divides = f.quant["linear_class"] == "bitlinear"
            out[key + ".weight"] = pack(value[0])
            out[key + ".weight_scale"] = np.array([1 / value[1] if divides else value[1]], np.float32)
        else:
            out[key + ".weight"] = value
    return out


def write(folder, name, arrays=None, file="model.safetensors", **changes):
    """arrays: in the place of the family's own; changes: of config.json."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = {k: v for k, v in {**family(name).config, **changes}.items() if v is not None}
    (folder / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    header, data = {}, b""
    for key, a in (arrays or stored(name)).items():
        kind = {"uint8": "U8", "float32": "F32", "float16": "F16", "uint16": "BF16"}[a.dtype.name]
        header[key] = {"dtype": kind, "shape": list(a.shape), "data_offsets": [len(data), len(data) + a.nbytes]}
        data += a.tobytes()
    text = json.dumps(header).encode()
    (folder / file).write_bytes(struct.pack("<Q", len(text)) + text + data)


if __name__ == "__main__":
    if sys.argv[1] == "--list":
        print("\n".join(FAMILIES))
    else:
        write(sys.argv[2], sys.argv[1])
