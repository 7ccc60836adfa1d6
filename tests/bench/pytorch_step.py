# SPDX-License-Identifier: MIT
"""pytorch_step.py WEIGHTS.safetensors JSON: the other side of against_pytorch.py, an optimiser step
of distillation in PyTorch, as fast as it will go.

The model and its losses are those of tests/reference/lrc_torch.py, traced as they are; what is
added is what a user who cares about speed would do. One teacher pass for all students; the lifted
form materialised once per step, inside the graph (a step has one micro-batch);
scaled_dot_product_attention; fused AdamW; the frozen weights cast to bf16 once; logits in one
piece, which fit. Modes: eager, compile (torch.compile of teacher and student), max-autotune.

JSON is the description of step_server with "mode" besides. Reads commands, answers with a line:
    check KIND   terms and gradient norms of the next batch without an update, against what lrd's
                 students see of their teacher: online, cached (hidden state and taps rounded to
                 bf16), topk (the K largest logits and one bucket for the rest)
    turn N       N updates of all students, always with the teacher online -> as step_server
"""

import ctypes
import json
import os
import pathlib
import resource
import signal
import sys
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "reference"))
from lrc_torch import (  # noqa: E402
    Config,
    Losses,
    Optim,
    clone_terms,
    forward,
    kd_term,
    logits,
    make_optimiser,
    materialise,
    total,
)

LOSSES = Losses()  # the defaults of both sides
OPTIM = Optim()


def kd_top_k(z_s, top, tau):
    """tau^2 [sum_k p_k log(p_k / q_k) + m log(m / R)], as HeadLoss has it (backend.hpp)."""
    z_t, ids, lse = top
    log_p = z_t / tau - lse[:, None]
    log_q = F.log_softmax(z_s / tau, dim=-1).gather(1, ids)
    p = log_p.exp()
    m, rest = 1 - p.sum(dim=1), 1 - log_q.exp().sum(dim=1)
    return tau**2 * ((p * (log_p - log_q)).sum(dim=1) + m * (m / rest).log()).mean()


def teacher_pass(c, teacher, ids):
    with torch.no_grad():
        hidden, taps = forward(c, teacher, ids)
        return logits(teacher, hidden), hidden, taps


def student_terms(c, student, teacher, ids, labels, z_t, taps_t):
    """Loss and [kd, lm, clone]; without a teacher the LM loss alone. z_t: logits, or what
    kd_top_k takes."""
    made = materialise(student, teacher)
    hidden, taps = forward(c, made, ids)
    z_s = logits(made, hidden).float()
    lm = F.cross_entropy(z_s, labels.reshape(-1))
    if z_t is None:
        return lm, [lm]
    kd = kd_top_k(z_s, z_t, LOSSES.tau) if isinstance(z_t, tuple) else \
        kd_term(z_s, z_t.float(), LOSSES.tau)
    clone = clone_terms(c, LOSSES, taps, taps_t, ids.shape[1])
    loss = total(LOSSES, {"kd": kd, "lm": lm, "clone_tap": clone})
    return loss, [kd, lm, clone.sum()]


class Student:
    def __init__(self, weights):
        self.weights = {name: value.requires_grad_() for name, value in weights.items()}
        self.optimiser = make_optimiser(self.weights, OPTIM, fused=True)

    def update(self):
        """The gradients' norm; clips and steps."""
        norm = torch.nn.utils.clip_grad_norm_(self.weights.values(), OPTIM.clip)
        self.optimiser.step()
        return norm

    def norm(self):
        """In fp64: torch's fp32 norm of a whole embedding is wrong by up to 3e-3."""
        return sum(p.grad.double().square().sum() for p in self.weights.values()).sqrt()


class Steps:
    def __init__(self, path, what):
        self.config = Config(**{key: what[key] for key in "LCHDFTV"})
        self.batch, self.topk, self.separate = what["micro_batch"], what["topk"], what["separate"]
        self.bf16 = what["precision"] == "bf16"
        tensors = {name: value.clone() for name, value in load_file(path).items()}
        self.tokens = tensors.pop("tokens").long()
        self.teacher = {name.removeprefix("teacher/"): self.frozen(name, value)
                        for name, value in tensors.items() if name.startswith("teacher/")}
        self.students = []
        for k in range(len(what["ranks"])):
            prefix = f"student/{k}/"
            self.students.append(Student({name.removeprefix(prefix): value
                                          for name, value in tensors.items()
                                          if name.startswith(prefix)}))
        self.teacher_pass, self.student_terms = teacher_pass, student_terms
        if what["mode"] != "eager":
            # Each student has its own rank: shapes are constants, of which there may be many.
            torch._dynamo.config.recompile_limit = 64
            mode = "default" if what["mode"] == "compile" else "max-autotune-no-cudagraphs"
            self.teacher_pass, self.student_terms = (
                torch.compile(f, dynamic=False, mode=mode) for f in (teacher_pass, student_terms))
        self.taken = 0

    def frozen(self, name, value):
        """Operands of products in the precision of products."""
        matrix = value.ndim == 2 and not name.endswith("wpe.weight")
        return value.bfloat16() if self.bf16 and matrix else value

    def windows(self):
        first = self.taken * self.batch % len(self.tokens)
        part = self.tokens[first:first + self.batch]
        return part[:, :-1].contiguous(), part[:, 1:].contiguous()

    def of_teacher(self, ids, kind):
        """Logits (or the K largest) and taps as students see them."""
        if not self.teacher:
            return None, None
        z, hidden, taps = self.teacher_pass(self.config, self.teacher, ids)
        if kind == "online":
            return z, taps
        taps = [tap.bfloat16().float() for tap in taps]
        if kind == "cached":
            return logits(self.teacher, hidden.bfloat16().to(z.dtype)), taps
        z = z.float()
        top = torch.topk(z, self.topk, dim=1)
        return (top.values, top.indices, torch.logsumexp(z / LOSSES.tau, dim=1)), taps

    def run(self, kind, update):
        ids, labels = self.windows()
        out = {"kd": [], "lm": [], "clone": [], "grad_norm": []}
        seen = None
        start = time.perf_counter()
        for student in self.students:
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
                if seen is None or self.separate:
                    seen = None  # frees the last one's logits first
                    seen = self.of_teacher(ids, kind)
                loss, terms = self.student_terms(self.config, student.weights, self.teacher, ids,
                                                 labels, *seen)
            loss.backward()
            norm = student.update() if update else student.norm()
            student.optimiser.zero_grad()
            kd, lm, clone = [None, *terms, None] if len(terms) == 1 else terms
            for key, value in zip(out, (kd, lm, clone, norm)):
                out[key].append(None if value is None else value.item())
        out["seconds"] = time.perf_counter() - start
        self.taken += update
        return out

    def turn(self, count):
        """Seconds of one step, results of the last."""
        outs = [self.run("online", update=True) for _ in range(count)]
        peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return outs[-1] | {"seconds": sum(out["seconds"] for out in outs) / count,
                           "peak_rss": peak}


def answer(value):
    print(json.dumps(value), flush=True)


def main():
    path, what = sys.argv[1], json.loads(sys.argv[2])
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: it may be stopped then
    torch.set_num_threads(what["threads"])
    torch.set_num_interop_threads(1)
    steps = Steps(path, what)
    answer({"pids": [os.getpid()]})
    for line in sys.stdin:
        command, what = line.split()
        answer(steps.turn(int(what)) if command == "turn" else steps.run(what, update=False))


if __name__ == "__main__":
    main()
