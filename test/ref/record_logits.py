#!/usr/bin/env python3
"""Logits and vectors of families.py's checkpoints by Hugging Face transformers: what test/model/families.test compares with.

    record_logits.py OUT       needs torch and transformers; writes OUT/NAME.f32 and OUT/versions.json

Each model is the class that transformers has for it, in float32, its projections replaced by the ones of its BitNet
integration.  load_state_dict is strict, so names and shapes are the classes' own.  The one family that transformers lacks
(1bitllm) is its BitNet class with SiLU under other names of norms, as the two graphs are one; of the checkpoints with a
norm in each projection, that norm is the integration's rms_norm.  Keys and values are rounded to f16 before attention, as
the pages' caches are: with so few and so small numbers in a row the codes of activations would feel the difference.
"""
import json
import os
import pathlib
import sys

os.environ["TORCHDYNAMO_DISABLE"] = "1"
sys.dont_write_bytecode = True

import numpy as np
import torch
import transformers
from transformers.integrations.sdpa_attention import repeat_kv
from transformers.integrations.bitnet import AutoBitLinear, BitLinear

from families import FAMILIES, stored, tokens

CLASSES = {"bitnet": ("BitNetConfig", "BitNetForCausalLM"), "llama": ("LlamaConfig", "LlamaForCausalLM"),
           "qwen3": ("Qwen3Config", "Qwen3ForCausalLM"), "gemma3_text": ("Gemma3TextConfig", "Gemma3TextModel")}
RENAMED = {"self_attn.inner_attn_ln": "self_attn.attn_sub_norm", "mlp.ffn_layernorm": "mlp.ffn_sub_norm",
           "_proj.norm.weight": "_proj.rms_norm.weight"}


def attention(module, query, key, value, mask, scaling, **_):
    """softmax(q k) v in plain words, over keys and values as an f16 cache gives them back."""
    groups = query.shape[1] // key.shape[1]
    key, value = (repeat_kv(t.half().float(), groups) for t in (key, value))
    scores = query @ key.transpose(2, 3) * scaling
    if mask is not None:
        scores = scores + mask
    return (scores.softmax(-1) @ value).transpose(1, 2).contiguous(), None


def replacement(family, linear):
    """The projection that the file holds for an ordinary one."""
    quant = family.quant or {}
    norm = family.norm_in is not None
    eps = family.config["rms_norm_eps"] if family.norm_in == "norm" else quant.get("rms_norm_eps", 1e-6)
    shape = {"in_features": linear.in_features, "out_features": linear.out_features, "bias": linear.bias is not None,
             "dtype": torch.float32, "use_rms_norm": norm, "rms_norm_eps": eps}
    if quant.get("linear_class") == "bitlinear":
        return BitLinear(**shape)
    return AutoBitLinear(**shape, online_quant=family.ternary == "masters")


def build(name):
    family = FAMILIES[name]
    config_class, model_class = CLASSES[family.config["model_type"]]
    if family.config["architectures"] == ["Qwen3Model"]:
        model_class = "Qwen3Model"
    skipped = ("architectures", "model_type", "quantization_config")
    numbers = {k: v for k, v in family.config.items() if k not in skipped and v is not None}
    config = getattr(transformers, config_class)(**numbers)
    config._attn_implementation = "eager"  # gives masks as numbers to add
    model = getattr(transformers, model_class)(config).float().eval()
    model.config._attn_implementation = "f16_cache"
    for path, module in list(model.named_modules()):
        if isinstance(module, torch.nn.Linear) and path.endswith("_proj"):
            model.set_submodule(path, replacement(family, module))
    return family, model


def state(family, name, model):
    """The file's tensors under the class's names."""
    out = {}
    for key, a in stored(name).items():
        for old, new in RENAMED.items():
            key = key.replace(old, new)
        out[key] = torch.from_numpy(a.copy())
    for key in model.state_dict():
        if key.endswith("weight_scale") and key not in out:  # dense levels: nothing to multiply
            out[key] = torch.ones(1)
        if family.ternary == "packed" and key.endswith("_proj.weight") and isinstance(model.get_submodule(key[:-7]), AutoBitLinear):
            rows = model.get_submodule(key[:-7]).out_features
            packed = out[key]
            out[key] = torch.cat([(packed >> 2 * i) & 3 for i in range(4)])[:rows].float() - 1
    if family.config["tie_word_embeddings"] and "lm_head.weight" in model.state_dict():
        out["lm_head.weight"] = out["model.embed_tokens.weight"]
    return out


@torch.no_grad()
def run(name):
    family, model = build(name)
    model.load_state_dict(state(family, name, model), strict=True)
    ids = torch.tensor([tokens(name)])
    out = model(input_ids=ids)
    if hasattr(out, "logits"):
        return out.logits[0]
    return torch.nn.functional.normalize(out.last_hidden_state[0], dim=-1)


def main():
    transformers.AttentionInterface.register("f16_cache", attention)
    transformers.AttentionMaskInterface.register("f16_cache", transformers.masking_utils.ALL_MASK_ATTENTION_FUNCTIONS["eager"])
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in FAMILIES:
        values = run(name).numpy().astype("<f4")
        (folder / f"{name}.f32").write_bytes(values.tobytes())
        print(f"{name}: {values.shape}, largest {np.abs(values).max():.3f}")
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "python": sys.version.split()[0]}
    (folder / "versions.json").write_text(json.dumps(versions, indent=1) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
