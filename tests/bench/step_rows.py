# SPDX-License-Identifier: MIT
"""The rows of the comparison: what is stepped on either side, and the bar of their ratio.

Names end with the precision of both sides; fp32 rows have a bar where the table of bars has one.
"""

from dataclasses import dataclass, replace

from step_sides import Work

SIX = (8, 16, 32, 58, 64, 128)
LRC = Work()
TUNE = Work(form="dense", ranks=(0,), teacher="none")
CACHED = replace(LRC, teacher="cached")
TOPK = replace(LRC, teacher="topk")
EIGHT = {"micro_batch": 8, "global_batch": 8}


@dataclass(frozen=True)
class Row:
    name: str
    what: str
    ours: Work
    theirs: Work
    pytorch: bool = True  # who theirs is: PyTorch, or lrd again
    bar: float | None = None
    rounds: int = 12
    measure: str = "time"  # | memory
    same: bool = True  # both sides do the same, so their terms are equal
    online: Work | None = None  # a third side whose ratio to theirs is printed besides
    epochs: int = 0  # over which the filling of our cache is spread; 0: it is not counted


def tune_row(name, batch, precision, bar):
    changes = {"precision": precision, **batch}
    return Row(name, "LRC (exact cache, all clone targets) against our full fine-tuning",
               replace(CACHED, **changes), replace(TUNE, **changes), pytorch=False, same=False,
               online=replace(LRC, **changes), epochs=55, bar=bar)


def all_rows():
    cached_rounds = 32  # of two windows: 64 different ones are read
    rows = []
    for precision in ("bf16", "fp32"):
        fast = precision == "bf16"

        def row(name, what, ours, theirs, precision=precision, **rest):
            ours, theirs = (replace(w, precision=precision) for w in (ours, theirs))
            rows.append(Row(f"{name}-{precision}", what, ours, theirs, **rest))

        row("online", "LRC, online teacher", LRC, LRC, bar=1.5 if fast else 1.2)
        row("cached", "LRC, cached teacher (exact), against PyTorch online", CACHED, LRC,
            bar=2.6 if fast else None, rounds=cached_rounds)
        row("topk", "LRC, cached top-K teacher, against PyTorch online", TOPK, LRC,
            bar=3.5 if fast else None, rounds=cached_rounds)
        row("factored", "factored students, online teacher", replace(LRC, form="factored"),
            replace(LRC, form="factored"))
        row("finetune", "full fine-tuning of the teacher", TUNE, TUNE, bar=1.2 if fast else None)
        rows.append(tune_row(f"own-finetune-{precision}", {}, precision, 2.8))
        rows.append(tune_row(f"own-finetune-b8-{precision}", EIGHT, precision, 2.8))
        six, apart = replace(LRC, ranks=SIX), replace(LRC, ranks=SIX, separate=True)
        row("six-own", "six students on one teacher pass against our six runs", six, apart,
            pytorch=False, bar=1.8, rounds=6)
        row("six", "six students on one teacher pass against six PyTorch runs", six, apart,
            bar=2.8 if fast else None, rounds=6)
        row("memory", "peak memory of the online step", LRC, LRC, bar=2.0, measure="memory",
            rounds=2)
        row("two-ranks", "two ranks of one thread against one of two threads",
            replace(LRC, global_batch=4, threads=1, processes=2), replace(LRC, global_batch=4),
            pytorch=False, bar=0.95)
    return {one.name: one for one in rows}


# In the table of bars, and measured by other programs.
ELSEWHERE = ("eval of a factored student against its teacher", "generate, factored against dense")
# What a functional test runs at --small.
SMALL = ("online-fp32", "factored-fp32", "finetune-fp32", "cached-fp32", "topk-fp32", "six-fp32",
         "six-own-fp32", "two-ranks-fp32", "own-finetune-fp32")
