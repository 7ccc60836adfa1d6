# SPDX-License-Identifier: MIT
"""The rows of the comparison: what is done on either side, and the bar of their ratio.

Names end with the precision of both sides. `table`: the rows of the table of bars, which are
measured unless others are named.
"""

from dataclasses import dataclass, replace

from step_sides import Work

SIX = (8, 16, 32, 58, 64, 128)
LRC = Work()
TUNE = Work(form="dense", ranks=(0,), teacher="none")
CACHED = replace(LRC, teacher="cached", repeat=4)  # in 8 turns 64 different windows are read
# At τ = 2 much of the mass is in the tail: of a trained teacher fewer would not keep the direction of
# the gradient (trained_teacher.py).
TOPK = replace(CACHED, teacher="topk", topk=2048)
EIGHT = {"micro_batch": 8, "global_batch": 8}
# As `lrd eval` and `lrd generate` run.
EVAL = Work(does="eval", form="factored", micro_batch=4, global_batch=4)
GENERATE = Work(does="generate", form="factored", micro_batch=1, global_batch=1)
# The demo's teacher and its student lrc-r48, as jobs/demo.sh trains them: on two ranks.
DEMO = Work(L=3, C=192, H=6, D=32, F=768, T=128, V=2048, ranks=(48,), repeat=10, micro_batch=16,
            global_batch=16)
DEMO_RANKS = replace(DEMO, micro_batch=8, processes=2, threads=1)


@dataclass(frozen=True)
class Row:
    name: str
    what: str
    ours: Work
    theirs: Work
    pytorch: bool = True  # who theirs is: PyTorch, or lrd again
    bar: float | None = None
    table: bool = False
    rounds: int = 8
    measure: str = "time"  # | memory
    same: bool = True  # both sides do the same, so their terms are equal
    of_bound: bool = False  # the ratio of times is of that of FLOPs (or bytes of weights)
    online: Work | None = None  # a third side whose ratio to theirs is printed besides
    epochs: int = 0  # over which the filling of our cache is spread; 0: it is not counted
    trained: bool = False  # also: what top-K loses of a trained teacher


def tune_row(name, batch, precision, rounds, repeat):
    changes = {"precision": precision, **batch}
    return Row(f"{name}-{precision}",
               "LRC (exact cache, all clone targets) against our full fine-tuning",
               replace(CACHED, repeat=repeat, **changes), replace(TUNE, **changes), pytorch=False,
               same=False, online=replace(LRC, **changes), epochs=55, bar=2.8, rounds=rounds,
               table=precision == "bf16")


def step_rows(precision):
    fast = precision == "bf16"
    rows = []

    def row(name, what, ours, theirs, bars=(None, None), table=fast, **rest):
        """Bars in bf16 and in fp32."""
        ours, theirs = (replace(w, precision=precision) for w in (ours, theirs))
        rows.append(Row(f"{name}-{precision}", what, ours, theirs, bar=bars[0 if fast else 1],
                        table=table, **rest))

    row("online", "LRC, online teacher", LRC, LRC, (1.5, 1.2), table=True)
    row("cached", "LRC, cached teacher (exact), against PyTorch online", CACHED, LRC, (2.6, None))
    row("topk", "LRC, cached top-K teacher, against PyTorch online", TOPK, LRC, (3.5, None),
        trained=True)
    row("factored", "factored students, online teacher", replace(LRC, form="factored"),
        replace(LRC, form="factored"), table=False)
    row("finetune", "full fine-tuning of the teacher", TUNE, TUNE, (1.2, None))
    rows.append(tune_row("own-finetune", {}, precision, rounds=8, repeat=4))
    rows.append(tune_row("own-finetune-b8", EIGHT, precision, rounds=5, repeat=2))
    six, apart = replace(LRC, ranks=SIX), replace(LRC, ranks=SIX, separate=True)
    row("six-own", "six students on one teacher pass against our six runs", six, apart, (1.8, 1.8),
        pytorch=False, rounds=5)
    row("six", "six students on one teacher pass against six PyTorch runs", six, apart,
        (2.8, None), rounds=4)
    row("memory", "peak memory of the online step", LRC, LRC, (2.0, 2.0), measure="memory",
        rounds=2)
    row("two-ranks", "two ranks of one thread against one of two threads",
        replace(LRC, global_batch=4, threads=1, processes=2), replace(LRC, global_batch=4),
        (0.95, 0.95), pytorch=False)
    row("demo", "the demo's teacher and student on its two ranks", DEMO_RANKS, DEMO, (2.0, 2.0),
        table=True, rounds=12)
    return rows


def inference_rows():
    def against_dense(name, what, ours, **rest):
        return Row(f"{name}-fp32", f"{what}, factored against dense", ours,
                   replace(ours, form="dense"), pytorch=False, table=True, same=False,
                   of_bound=True, **rest)

    return [against_dense("eval", "`eval`, of the ratio of FLOPs", EVAL, bar=0.45),
            against_dense("generate", "greedy `generate`, of the ratio of bytes of weights",
                          GENERATE, bar=0.5)]


def all_rows():
    rows = [*step_rows("bf16"), *step_rows("fp32"), *inference_rows()]
    return {one.name: one for one in rows}


# What a functional test runs at --small.
SMALL = ("online-fp32", "factored-fp32", "finetune-fp32", "cached-fp32", "topk-fp32", "six-fp32",
         "six-own-fp32", "two-ranks-fp32", "own-finetune-fp32", "demo-fp32", "eval-fp32",
         "generate-fp32")
