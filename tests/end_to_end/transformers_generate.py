# SPDX-License-Identifier: MIT
"""transformers_generate.py FILE.h5 GROUP HEADS N IDS…: greedy ids of Hugging Face's GPT-2 with the
weights in FILE, one JSON list per prompt "1,2,3". Factors are multiplied out."""
import json
import sys

import h5py
import torch
from transformers import GPT2Config, GPT2LMHeadModel

path, group, heads, n = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
tensors = {}
with h5py.File(path, "r") as file:
    file[group].visititems(lambda name, item: tensors.update(
        {name: torch.from_numpy(item[...])} if isinstance(item, h5py.Dataset) else {}))
if "wte.Ce" in tensors:
    tensors["wte.weight"] = tensors.pop("wte.Ce") @ tensors.pop("wte.De")
for name in [name for name in tensors if name.endswith(".A")]:  # W = A B, files hold Wᵀ
    tensors[name[:-1] + "weight"] = (tensors.pop(name) @ tensors.pop(name[:-1] + "B")).T

vocabulary, width = tensors["wte.weight"].shape
layers = sum(name.endswith(".ln_1.weight") for name in tensors)
model = GPT2LMHeadModel(GPT2Config(
    vocab_size=vocabulary, n_positions=len(tensors["wpe.weight"]), n_embd=width, n_layer=layers,
    n_head=heads, bos_token_id=None, eos_token_id=None, pad_token_id=0)).eval()
model.transformer.load_state_dict(tensors)
answers = []
for text in sys.argv[5:]:
    ids = torch.tensor([[int(id) for id in text.split(",")]])
    made = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=n, do_sample=False)
    answers.append(made[0, ids.shape[1]:].tolist())
print(json.dumps(answers))
