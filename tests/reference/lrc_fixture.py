# SPDX-License-Identifier: MIT
"""Writes the fixture of lrc_torch.py: a small teacher, a student of each form, every reduction.

Computed in fp64 from inputs that fp32 holds exactly.
    /                       attributes: sizes L C H D F T V B; weights of the losses kd lm clone,
                            and tau; of AdamW lr beta1 beta2 eps weight_decay clip
    /teacher/<name>         weights
    /ids, /labels           (updates, B, T): a batch per update
    /teacher_logits         (N, V) of the first batch
    /reduction              (cases) 0 mean, 1 sum, 2 relative
    /skip_first             (cases)
    /tap_variance           (cases, L, 2) tr Cov of the teacher's taps over the first batch
    /updated                (some) the cases that were trained for all updates
    /students/<s>           attributes form, rank, embedding_rank (0: dense)
      initial/<name>        trained tensors before the first update
      logits                (N, V) of the first batch
      kd, lm                of the first batch, without weights
      loss, grad_norm       (cases) of the first update, before clipping
      clone_tap             (cases, L, 2) of the first batch; last axis: h, a
      gradient/<name>       (cases, ...) of the first update, before clipping
      after/<name>          (some, ...) trained tensors after the updates, of the cases `updated`
"""

from dataclasses import asdict

import h5py
import numpy as np
import torch

from lrc_torch import (
    Config,
    Losses,
    Optim,
    build_student,
    build_teacher,
    forward,
    grad_norm,
    gradients,
    logits,
    loss_terms,
    make_optimiser,
    materialise,
    step,
    tap_variance,
    total,
)

# F is not 4 C on purpose, V and T are multiples of nothing.
CONFIG = Config(L=2, C=12, H=3, D=4, F=20, T=7, V=31)
BATCH = 2
UPDATES = 3
OPTIM = Optim(lr=1e-2)
WEIGHTS = {"kd": 0.7, "lm": 1.3, "clone": 0.9, "tau": 2.0}
REDUCTIONS = ("mean", "sum", "relative")
CASES = [(reduction, skip) for reduction in REDUCTIONS for skip in (False, True)]
UPDATED = (0, 5)  # mean, and relative without position 0
STUDENTS = {  # name: (form, rank, embedding rank)
    "lifted": ("lifted", 3, 4),
    "factored": ("factored", 5, 3),
    "factored_dense_embedding": ("factored", 4, 0),
    "dense": ("dense", 0, 0),
}


def numbers(seed):
    """Normal numbers that fp32 holds exactly, as fp64 tensors."""
    random = np.random.RandomState(seed)

    def normal(shape, stddev):
        values = random.standard_normal(shape) * stddev
        return torch.from_numpy(values.astype(np.float32)).double()

    return normal, random


def rounded(model):
    return {name: value.float().double() for name, value in model.items()}


def check_lifted_formulas():
    """Gradients of the lifted form by hand against autograd:
    d_P_l = S d_U^T + d_S (W P_r)^T,  d_P_r = x^T (d_y U) + W^T P_l^T d_S,
    with S = P_l W P_r, U = P_l^T S, z = x P_r, d_U = d_y^T z, d_S = P_l d_U."""
    normal, _ = numbers(3)
    m, n, r, rows = 9, 6, 4, 5
    w, x, d_y = normal((m, n), 1), normal((rows, n), 1), normal((rows, m), 1)
    p_l, p_r = normal((r, m), 1).requires_grad_(), normal((n, r), 1).requires_grad_()
    (x @ (p_l.T @ (p_l @ w @ p_r) @ p_r.T).T).backward(d_y)
    with torch.no_grad():
        core = p_l @ w @ p_r
        u, z = p_l.T @ core, x @ p_r
        d_u = d_y.T @ z
        d_core = p_l @ d_u
        d_p_l = core @ d_u.T + d_core @ (w @ p_r).T
        d_p_r = x.T @ (d_y @ u) + w.T @ p_l.T @ d_core
    for by_hand, tensor in ((d_p_l, p_l), (d_p_r, p_r)):
        assert torch.allclose(by_hand, tensor.grad, rtol=1e-12, atol=1e-12), by_hand - tensor.grad


def check_pull_back(losses, student, teacher, batches, variance):
    """One graph over everything gives the gradients of the two-stage pass."""
    direct = {name: value.detach().clone().requires_grad_() for name, value in student.items()}
    made = materialise(direct, teacher)
    total(losses, loss_terms(CONFIG, losses, made, teacher, batches[0], variance)).backward()
    for name, value in student.items():
        assert torch.allclose(direct[name].grad, value.grad, rtol=1e-10, atol=1e-12), name


def all_logits(model, batch):
    return logits(model, forward(CONFIG, model, batch[0])[0])


def put(group, name, value, dtype=np.float32):
    """Without the date of the day, so that equal content gives equal bytes."""
    group.create_dataset(name, data=np.asarray(value, dtype=dtype), track_times=False)


def train(losses, initial, teacher, batches, variance):
    """Gradients of the first update, and the tensors after all of them."""
    student = {name: value.clone().requires_grad_() for name, value in initial.items()}
    first = gradients(CONFIG, losses, student, teacher, batches[:1], variance)
    check_pull_back(losses, student, teacher, batches[:1], variance)
    norm = grad_norm(student)
    gradient = {name: value.grad.clone() for name, value in student.items()}
    optimiser = make_optimiser(student, OPTIM)
    for batch in batches:
        step(CONFIG, losses, student, teacher, [batch], optimiser, OPTIM, variance)
    return first, norm, gradient, {name: value.detach() for name, value in student.items()}


def write_student(group, name, seed, teacher, batches, variances):
    form, rank, embedding_rank = STUDENTS[name]
    initial = rounded(build_student(CONFIG, teacher, form, rank, embedding_rank, numbers(seed)[0]))
    text = h5py.string_dtype("utf-8", len(form))
    group.attrs.create("form", np.array(form.encode(), dtype=text), dtype=text)
    group.attrs.update({"rank": rank, "embedding_rank": embedding_rank})
    for key, value in initial.items():
        put(group, f"initial/{key}", value)
    made = materialise(initial, teacher)
    put(group, "logits", all_logits(made, batches[0]), np.float64)

    columns = {"loss": [], "grad_norm": [], "clone_tap": []}
    tensors = {f"{kind}/{key}": [] for kind in ("gradient", "after") for key in initial}
    for case, ((reduction, skip), variance) in enumerate(zip(CASES, variances)):
        losses = Losses(**WEIGHTS, reduction=reduction, skip_first=skip)
        first, norm, gradient, after = train(losses, initial, teacher, batches, variance)
        columns["loss"].append(total(losses, first))
        columns["grad_norm"].append(norm)
        columns["clone_tap"].append(first["clone_tap"].view(CONFIG.L, 2).numpy())
        for key in initial:
            tensors[f"gradient/{key}"].append(gradient[key].numpy())
            if case in UPDATED:
                tensors[f"after/{key}"].append(after[key].numpy())
    put(group, "kd", first["kd"], np.float64)
    put(group, "lm", first["lm"], np.float64)
    for key, values in columns.items():
        put(group, key, np.stack(values), np.float64)
    for key, values in tensors.items():
        put(group, key, np.stack(values))
    norms = ", ".join(f"{float(norm):.1f}" for norm in columns["grad_norm"])
    print(f"{name}: kd {first['kd']:.3f}, lm {first['lm']:.3f}, norms {norms}")


def write_fixture(path):
    normal, random = numbers(1)
    teacher = rounded(build_teacher(CONFIG, normal))
    stream = random.randint(0, CONFIG.V, (UPDATES, BATCH, CONFIG.T + 1))
    batches = [(torch.from_numpy(part[:, :-1]), torch.from_numpy(part[:, 1:])) for part in stream]
    variances = [tap_variance(CONFIG, teacher, batches[:1], skip) for _, skip in CASES]
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        file.attrs.update({**asdict(CONFIG), "B": BATCH, **WEIGHTS})
        file.attrs.update({"beta1": OPTIM.betas[0], "beta2": OPTIM.betas[1]})
        file.attrs.update({k: v for k, v in asdict(OPTIM).items() if k != "betas"})
        for name, value in teacher.items():
            put(file, f"teacher/{name}", value)
        put(file, "ids", stream[:, :, :-1], np.int32)
        put(file, "labels", stream[:, :, 1:], np.int32)
        put(file, "teacher_logits", all_logits(teacher, batches[0]), np.float64)
        put(file, "updated", UPDATED, np.int32)
        put(file, "reduction", [REDUCTIONS.index(reduction) for reduction, _ in CASES], np.int32)
        put(file, "skip_first", [skip for _, skip in CASES], np.int32)
        put(file, "tap_variance", np.reshape(variances, (len(CASES), CONFIG.L, 2)), np.float64)
        for seed, name in enumerate(STUDENTS, start=10):
            group = file.create_group(f"students/{name}")
            write_student(group, name, seed, teacher, batches, variances)
