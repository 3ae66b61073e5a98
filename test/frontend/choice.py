"""choice.py MODELS OUT: checkpoints that the bundled page almost fits, one folder each."""
import json
import os
import struct
import sys

models, out = sys.argv[1:]
source = os.path.join(models, "shakespeare")
config = json.load(open(f"{source}/config.json"))
data = open(f"{source}/model.safetensors", "rb").read()
(n,) = struct.unpack("<Q", data[:8])
header, body = json.loads(data[8 : 8 + n]), data[8 + n :]


def write(name, header=header, body=body, **changes):
    os.makedirs(f"{out}/{name}")
    json.dump({k: v for k, v in {**config, **changes}.items() if v is not None}, open(f"{out}/{name}/config.json", "w"))
    text = json.dumps(header).encode()
    with open(f"{out}/{name}/model.safetensors", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + body)


write("tokens")
write("arch", architectures=["BitNetForCasualLM"])
write("act", hidden_act="swish")
renamed = {k.replace("layers.2.mlp.ffn_sub_norm", "layers.2.mlp.other_norm"): v for k, v in header.items()}
write("missing", header=renamed)
unnamed = {"architectures": None, "model_type": None, "hidden_act": None}
write("unnamed", **unnamed)
ggufs = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "model.layers.": "blk.", "input_layernorm": "attn_norm",
         "post_attention_layernorm": "ffn_norm", "self_attn.o_proj": "attn_output", "self_attn.attn_sub_norm": "attn_sub_norm",
         "mlp.ffn_sub_norm": "ffn_sub_norm", "self_attn.": "attn_", "mlp.": "ffn_", "_proj": ""}
both = {}
for key, entry in header.items():
    for old, new in ggufs.items():
        key = key.replace(old, new)
    both[key] = entry
write("both", header=both, **unnamed)
write("neither", header={k.replace("self_attn", "attention"): v for k, v in header.items()}, **unnamed)
extra = {"dtype": "F32", "shape": [1], "data_offsets": [len(body), len(body) + 4]}
write("more", header={**header, "model.layers.0.extra.weight": extra}, body=body + bytes(4))
