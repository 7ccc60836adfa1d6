# SPDX-License-Identifier: MIT
"""GPT-2 in numpy and float64, from a model file of lrd; the rules of evaluation once more, apart from ours."""
import json

import h5py
import numpy as np


class Model:
    def __init__(self, path, student):
        with h5py.File(path, "r") as file:
            self.w = {}
            file[f"students/{student}/model"].visititems(
                lambda name, item: self.w.update({name: item[...].astype(np.float64)})
                if isinstance(item, h5py.Dataset) else None)
            self.shape = json.loads(file.attrs["state"])["students"][student]["architecture"]

    def linear(self, x, name):
        if f"{name}.weight" in self.w:
            return x @ self.w[f"{name}.weight"] + self.w[f"{name}.bias"]
        # W = A B is m × n, and a linear computes x Wᵀ.
        return x @ self.w[f"{name}.B"].T @ self.w[f"{name}.A"].T + self.w[f"{name}.bias"]

    def norm(self, x, name):
        centred = x - x.mean(-1, keepdims=True)
        scale = np.sqrt((centred ** 2).mean(-1, keepdims=True) + 1e-5)
        return centred / scale * self.w[f"{name}.weight"] + self.w[f"{name}.bias"]

    def attention(self, x, heads):
        batch, length, width = x.shape[0], x.shape[1], x.shape[2] // 3
        q, k, v = (part.reshape(batch, length, heads, -1).transpose(0, 2, 1, 3) for part in np.split(x, 3, -1))
        scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(q.shape[-1])
        scores[:, :, np.triu(np.ones((length, length), bool), 1)] = -np.inf
        p = np.exp(scores - scores.max(-1, keepdims=True))
        return (p / p.sum(-1, keepdims=True) @ v).transpose(0, 2, 1, 3).reshape(batch, length, width)

    def log_probabilities(self, ids):
        """(B, T) ids → (B, T, V)."""
        table = self.w["wte.weight"] if "wte.weight" in self.w else self.w["wte.Ce"] @ self.w["wte.De"]
        x = table[ids] + self.w["wpe.weight"][:ids.shape[1]]
        for layer in range(self.shape["layers"]):
            at = f"h.{layer}."
            x = x + self.linear(self.attention(self.linear(self.norm(x, at + "ln_1"), at + "attn.c_attn"),
                                               self.shape["heads"]), at + "attn.c_proj")
            y = self.linear(self.norm(x, at + "ln_2"), at + "mlp.c_fc")
            y = y / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y ** 3)))
            x = x + self.linear(y, at + "mlp.c_proj")
        z = self.norm(x, "ln_f") @ table.T
        z -= z.max(-1, keepdims=True)
        return z - np.log(np.exp(z).sum(-1, keepdims=True))


def rows(model, tokens, context, stride):
    """Log-probabilities (V) of every target, tokens 1 … n−1, window by window."""
    found = {}
    for begin in range(0, len(tokens) - 1, stride):
        ids = tokens[begin:begin + context]
        ids = ids[:len(tokens) - 1 - begin]
        logp = model.log_probabilities(ids[None])[0]
        for place, row in enumerate(logp):
            found.setdefault(begin + place + 1, row)
        if begin + len(ids) == len(tokens) - 1:
            break
    return np.stack([found[i] for i in range(1, len(tokens))])


def score(model, tokens, context, stride, teacher=None):
    p = rows(model, tokens, context, stride)
    labels = tokens[1:]
    own = p[np.arange(len(labels)), labels]
    rank = (p > own[:, None]).sum(1)
    out = {"nll_of_target": -own, "nll": -own.mean(), "tokens": len(labels),
           "top1_accuracy": (rank < 1).mean(), "top5_accuracy": (rank < 5).mean()}
    if teacher is not None:
        t = rows(teacher, tokens, context, stride)
        out["teacher_kl"] = (np.exp(t) * (t - p)).sum(1).mean()
        out["teacher_top1_agreement"] = (t.argmax(1) == p.argmax(1)).mean()
    return out
