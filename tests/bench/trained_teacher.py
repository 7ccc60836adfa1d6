# SPDX-License-Identifier: MIT
"""What the K largest logits lose of a trained teacher, whose distribution no random one has.

LRD_TRAINED_TEACHER=RUN names a run of `lrd train`; its run.toml names the tokens that it has read,
relative to the folder in which the comparison is called.
"""

import os
import pathlib
import tomllib
from dataclasses import replace

import step_sides
import verdict

NOT_MEASURED = ("  cosine to the exact KD gradient: not measured, since LRD_TRAINED_TEACHER is not "
                "set; `bash jobs/wikitext2/run.sh CORPUS` trains a teacher, LRD_TRAINED_TEACHER="
                "wikitext2/teacher then names it")


def work_of(run, topk):
    """A new student in fp32, on 16 windows of what the teacher was trained on."""
    data = tomllib.loads((run / "run.toml").read_text())["data"]
    if not pathlib.Path(data["tokens"]).is_dir():
        raise SystemExit(f"{run}/run.toml names tokens in {data['tokens']}, which is no folder "
                         "here; call from the folder in which the teacher was trained")
    return replace(step_sides.Work(does="top-k bias"), model=str(run), tokens=data["tokens"],
                   T=data["context"], topk=topk, windows=16)


def judged(programs, folder, topk, is_judged):
    run = os.environ.get("LRD_TRAINED_TEACHER")
    if not run:
        print(NOT_MEASURED)
        return True
    with step_sides.lrd(programs, work_of(pathlib.Path(run), topk), folder, "trained") as side:
        return verdict.judge_trained(topk, side.ask("turn 1"), is_judged)
