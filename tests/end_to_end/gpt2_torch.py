# SPDX-License-Identifier: MIT
"""NLL and top-5 of a dense model by transformers, with the loop of its documentation of perplexity.

usage: gpt2_torch.py MODEL.h5 STUDENT SHARD.h5 CONTEXT STRIDE → one JSON object
"""
import json
import sys

import h5py
import torch
from transformers import GPT2Config, GPT2LMHeadModel


def load(path, student):
    with h5py.File(path, "r") as file:
        shape = json.loads(file.attrs["state"])["students"][student]["architecture"]
        weights = {}
        file[f"students/{student}/model"].visititems(
            lambda name, item: weights.update({"transformer." + name: torch.from_numpy(item[...])})
            if isinstance(item, h5py.Dataset) else None)
    config = GPT2Config(vocab_size=shape["vocabulary"], n_positions=shape["context"], n_embd=shape["width"],
                        n_layer=shape["layers"], n_head=shape["heads"], n_inner=shape["ffn"],
                        bos_token_id=0, eos_token_id=0)
    model = GPT2LMHeadModel(config)
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
    model.tie_weights()
    return model.eval()


def main():
    path, student, shard, context, stride = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
    model = load(path, student)
    with h5py.File(shard, "r") as file:
        tokens = torch.from_numpy(file["tokens"][...].astype("int64"))
    nll = top1 = top5 = scored = 0
    last = len(tokens) - 1
    done = 0  # targets 1 … done have been scored
    for begin in range(0, last, stride):
        end = min(begin + context, last)
        with torch.no_grad():
            logp = model(tokens[None, begin:end]).logits[0].double().log_softmax(-1)
        new = end - done
        logp, labels = logp[-new:], tokens[end - new + 1:end + 1]
        nll -= logp.gather(1, labels[:, None]).sum().item()
        best = logp.topk(5, -1).indices == labels[:, None]
        top1 += best[:, 0].sum().item()
        top5 += best.any(-1).sum().item()
        scored += new
        done = end
        if end == last:
            break
    print(json.dumps({"nll": nll / scored, "tokens": scored, "top1_accuracy": top1 / scored,
                      "top5_accuracy": top5 / scored}))


main()
