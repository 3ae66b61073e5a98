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
    json.dump({**config, **changes}, open(f"{out}/{name}/config.json", "w"))
    text = json.dumps(header).encode()
    with open(f"{out}/{name}/model.safetensors", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + body)


write("tokens")
write("arch", architectures=["BitNetForCasualLM"])
write("act", hidden_act="swish")
renamed = {k.replace("layers.2.mlp.ffn_sub_norm", "layers.2.mlp.other_norm"): v for k, v in header.items()}
write("missing", header=renamed)
extra = {"dtype": "F32", "shape": [1], "data_offsets": [len(body), len(body) + 4]}
write("more", header={**header, "model.layers.0.extra.weight": extra}, body=body + bytes(4))
