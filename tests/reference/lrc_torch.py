# SPDX-License-Identifier: MIT
"""Low-rank distillation of GPT-2 in PyTorch: an independent second opinion on the C++ project.

Written from the paper's equations, with autograd instead of backward passes. As a script it writes
the fixture that fixture_test.cpp compares with (needs torch, numpy, h5py):

    python tests/reference/lrc_torch.py tests/reference/lrc_fixture.h5

Letters: N = B T rows, C width, H heads of width D, F FFN width, V vocabulary, L layers. A model is
a dict of tensors under Hugging Face's names without `transformer.`; linears y = x W^T + b hold W^T
(n x m), m outputs, n inputs. A linear is
    dense      <name>.weight (n, m)
    factored   <name>.A (m, r), <name>.B (r, n)        W_s = A B
    lifted     <name>.P_l (r, m), <name>.P_r (n, r)    W_s = P_l^T (P_l W P_r) P_r^T, W the frozen
                                                       teacher's
and the embedding with its tied head `wte.weight` (V, C), or `wte.Ce` (V, re) and `wte.De` (re, C)
with E = Ce De.

Losses, over the N rows of the global batch:
    kd     mean over rows of tau^2 KL(softmax(z_t/tau) || softmax(z_s/tau))
    lm     mean over rows of the cross-entropy with the next token
    clone  sum over layers and taps of  sum over rows and channels of (s - t)^2, divided by
             mean:     rows C
             sum:      rows
             relative: rows tr Cov, with tr Cov = E|t|^2 - |E t|^2 of the teacher's tap over the
                       rows of the first global batch
           skip_first leaves position 0 of every sequence out of all three, and of tr Cov; `rows`
           counts what remains.
Taps of a layer: h, the residual stream after the block; a, the attention output after its
projection.
"""

import math
import sys
from dataclasses import dataclass

import torch
import torch.nn.functional as F


@dataclass(frozen=True)
class Config:
    L: int = 12
    C: int = 768
    H: int = 12
    D: int = 64
    F: int = 3072
    T: int = 1024
    V: int = 50257


@dataclass(frozen=True)
class Losses:
    kd: float = 1.0
    lm: float = 1.0
    clone: float = 1.0
    tau: float = 2.0
    reduction: str = "mean"
    skip_first: bool = False


@dataclass(frozen=True)
class Optim:
    lr: float = 3e-4
    betas: tuple = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.01  # on tensors with two dimensions
    clip: float = 1.0


def linear_shapes(c):
    """{name: (m, n)} of every linear, in the order of the forward pass."""
    shapes = {}
    for layer in range(c.L):
        shapes[f"h.{layer}.attn.c_attn"] = (3 * c.H * c.D, c.C)
        shapes[f"h.{layer}.attn.c_proj"] = (c.C, c.H * c.D)
        shapes[f"h.{layer}.mlp.c_fc"] = (c.F, c.C)
        shapes[f"h.{layer}.mlp.c_proj"] = (c.C, c.F)
    return shapes


def norm_names(c):
    return [f"h.{layer}.{ln}" for layer in range(c.L) for ln in ("ln_1", "ln_2")] + ["ln_f"]


# ---- models


def build_teacher(c, normal):
    """`normal(shape, stddev)` gives the random numbers. No value hides an error as 0 or 1 would."""
    model = {"wte.weight": normal((c.V, c.C), 0.5), "wpe.weight": normal((c.T, c.C), 0.3)}
    for name in norm_names(c):
        model[name + ".weight"] = 1 + normal((c.C,), 0.2)
        model[name + ".bias"] = normal((c.C,), 0.2)
    for name, (m, n) in linear_shapes(c).items():
        model[name + ".weight"] = normal((n, m), 1.2 / math.sqrt(n))
        model[name + ".bias"] = normal((m,), 0.2)
    return model


def build_student(c, teacher, form, rank, embedding_rank, normal):
    """Random factors; what is not factored starts near the teacher. embedding_rank 0: dense."""
    student = {}
    for name, value in teacher.items():
        if not (name.removesuffix(".weight") in linear_shapes(c) or name == "wte.weight"):
            student[name] = value + normal(tuple(value.shape), 0.1)
    if embedding_rank == 0:
        student["wte.weight"] = teacher["wte.weight"] + normal((c.V, c.C), 0.1)
    else:
        student["wte.Ce"] = normal((c.V, embedding_rank), 0.6)
        student["wte.De"] = normal((embedding_rank, c.C), 0.6)
    for name, (m, n) in linear_shapes(c).items():
        if form == "lifted":
            student[name + ".P_l"] = normal((rank, m), 1.0 / math.sqrt(m))
            student[name + ".P_r"] = normal((n, rank), 1.0 / math.sqrt(n))
        elif form == "factored":
            student[name + ".A"] = normal((m, rank), 1.0 / math.sqrt(rank))
            student[name + ".B"] = normal((rank, n), 1.0 / math.sqrt(n))
        else:
            student[name + ".weight"] = teacher[name + ".weight"] + normal((n, m), 0.1)
    return student


def materialise(model, teacher=None):
    """What the forward pass runs on: of lifted pairs U (m, r) and P_r (n, r), with their graph; the
    rest is as it is."""
    out = {}
    for key, value in model.items():
        name, _, kind = key.rpartition(".")
        if kind == "P_l":
            w_t = teacher[name + ".weight"]  # (n, m) = W^T
            core = (value @ w_t.T) @ model[name + ".P_r"]  # (r, r)
            out[name + ".U"] = value.T @ core
        else:
            out[key] = value
    return out


def linear(model, name, x):
    bias = model[name + ".bias"]
    if name + ".U" in model:
        return torch.addmm(bias, x @ model[name + ".P_r"], model[name + ".U"].T)
    if name + ".A" in model:
        return torch.addmm(bias, x @ model[name + ".B"].T, model[name + ".A"].T)
    return torch.addmm(bias, x, model[name + ".weight"])


def layernorm(model, name, x):
    return F.layer_norm(x, x.shape[-1:], model[name + ".weight"], model[name + ".bias"], 1e-5)


def forward(c, model, ids):
    """ids (B, T) -> final hidden state (N, C), taps [h_0, a_0, h_1, a_1, ...], each (N, C)."""
    B, T = ids.shape
    ids = ids.reshape(-1)
    x = model["wte.Ce"][ids] @ model["wte.De"] if "wte.Ce" in model else model["wte.weight"][ids]
    x = (x.view(B, T, c.C) + model["wpe.weight"][:T]).view(B * T, c.C)
    taps = []
    for layer in range(c.L):
        block = f"h.{layer}."
        qkv = linear(model, block + "attn.c_attn", layernorm(model, block + "ln_1", x))
        q, k, v = qkv.view(B, T, 3, c.H, c.D).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # scores / sqrt(D)
        a = linear(model, block + "attn.c_proj", y.transpose(1, 2).reshape(B * T, c.H * c.D))
        x = x + a
        u = linear(model, block + "mlp.c_fc", layernorm(model, block + "ln_2", x))
        x = x + linear(model, block + "mlp.c_proj", F.gelu(u, approximate="tanh"))
        taps += [x, a]
    return layernorm(model, "ln_f", x), taps


def logits(model, hidden):
    if "wte.Ce" in model:
        return (hidden @ model["wte.De"].T) @ model["wte.Ce"].T
    return hidden @ model["wte.weight"].T


# ---- losses


def counted(tap, T, skip_first):
    return tap.view(-1, T, tap.shape[-1])[:, 1:].flatten(0, 1) if skip_first else tap


def tap_variance(c, teacher, batches, skip_first):
    """tr Cov of every tap of the teacher over the rows that count, (2 L)."""
    taps = [[counted(t, ids.shape[1], skip_first) for t in forward(c, teacher, ids)[1]]
            for ids, _ in batches]
    return [torch.cat(rows).var(dim=0, correction=0).sum() for rows in zip(*taps)]


def kd_term(z_s, z_t, tau):
    log_s, log_t = F.log_softmax(z_s / tau, dim=-1), F.log_softmax(z_t / tau, dim=-1)
    return tau**2 * F.kl_div(log_s, log_t, reduction="batchmean", log_target=True)


def clone_terms(c, losses, taps_s, taps_t, T, variance=None):
    clone = []
    for i, (s, t) in enumerate(zip(taps_s, taps_t)):
        d = counted(s - t, T, losses.skip_first)
        divisor = {"mean": c.C, "sum": 1, "relative": variance and variance[i]}[losses.reduction]
        clone.append(d.square().sum(dim=1).mean() / divisor)
    return torch.stack(clone)


def loss_terms(c, losses, student, teacher, batch, variance=None):
    """kd, lm and clone per tap, means over the rows of this batch; and both models' logits."""
    ids, labels = batch
    with torch.no_grad():
        hidden_t, taps_t = forward(c, teacher, ids)
        z_t = logits(teacher, hidden_t)
    hidden_s, taps_s = forward(c, student, ids)
    z_s = logits(student, hidden_s)
    kd = kd_term(z_s, z_t, losses.tau)
    lm = F.cross_entropy(z_s, labels.reshape(-1).long())
    clone = clone_terms(c, losses, taps_s, taps_t, ids.shape[1], variance)
    return {"kd": kd, "lm": lm, "clone_tap": clone, "z_s": z_s, "z_t": z_t}


def total(losses, terms):
    clone = terms["clone_tap"].sum()
    return losses.kd * terms["kd"] + losses.lm * terms["lm"] + losses.clone * clone


# ---- training


def gradients(c, losses, student, teacher, micro_batches, variance=None):
    """Gradients of all trained tensors into .grad; the mean loss terms of equal micro-batches.

    Work that depends on the teacher's W happens once per step: micro-batches add to the gradients
    of the materialised tensors, and one backward pass brings these to the trained ones.
    """
    made = materialise(student, teacher)
    leaves = {name: value.detach().requires_grad_() for name, value in made.items()}
    means = None
    for batch in micro_batches:
        terms = loss_terms(c, losses, leaves, teacher, batch, variance)
        (total(losses, terms) / len(micro_batches)).backward()
        part = {k: terms[k].detach() / len(micro_batches) for k in ("kd", "lm", "clone_tap")}
        means = part if means is None else {k: means[k] + part[k] for k in part}
    torch.autograd.backward([made[k] for k in leaves], [leaves[k].grad for k in leaves])
    return means


def make_optimiser(student, optim, fused=None):
    matrices = [p for p in student.values() if p.ndim >= 2]
    vectors = [p for p in student.values() if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": optim.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=optim.lr, betas=optim.betas, eps=optim.eps,
                             fused=fused)


def grad_norm(student):
    return torch.nn.utils.get_total_norm([p.grad for p in student.values()])


def step(c, losses, student, teacher, micro_batches, optimiser, optim, variance=None):
    """One update; the loss terms and the gradient's norm before clipping."""
    optimiser.zero_grad()
    terms = gradients(c, losses, student, teacher, micro_batches, variance)
    norm = grad_norm(student)
    scale = torch.clamp(optim.clip / norm, max=1.0)
    for p in student.values():
        p.grad.mul_(scale)
    optimiser.step()
    return terms, norm


def main():
    from lrc_fixture import check_lifted_formulas, write_fixture

    if len(sys.argv) != 2:
        sys.exit("usage: lrc_torch.py FIXTURE.h5")
    check_lifted_formulas()
    write_fixture(sys.argv[1])


if __name__ == "__main__":
    main()
