#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""RESULTS.md from what run.sh recorded.

    results.py RECORDED      with eval/*.json, RUN/{metrics.h5,run.toml}, times.tsv

A statement "A is better than B" is a paired difference over the seeds (same seed: same order of the windows)
with a 95 % t-interval; where the interval holds 0 it says that the seeds cannot tell.
"""
import json
import math
import os
import pathlib
import platform
import re
import statistics
import sys

import h5py

SEEDS = (1, 2, 3)
T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # two-sided 95 % of Student's t, by number of seeds
STUDENTS = ("lrc-r96", "lrc-r48", "fac-r48", "lm-r48", "lrc-r32", "lrc-r16", "lrc-r8")
HEAD = ("model", "parameters", "of teacher", "word perplexity", "bits/byte", "NLL/token", "top-1 agreement")


def load(folder):
    """{name: [result of each seed]}; teacher, SVDs and n-grams have one."""
    results = {}
    for path in sorted((folder / "eval").glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if path.stem == "ngram":
            results.update({one["model"]: [one] for one in content})
        else:
            results.setdefault(path.stem.partition(".s")[0], []).append(content)
    return results


def mean_and_spread(values, digits):
    """"12.3", or "12.3 ± 0.4": the mean over the seeds and its standard deviation."""
    text = f"{statistics.mean(values):.{digits}f}"
    return text if len(values) == 1 else f"{text} ± {statistics.stdev(values):.{digits}f}"


def row(name, results):
    runs = results[name]
    share = 100 * runs[0]["parameters"] / results["teacher"][0]["parameters"]
    agreement = [100 * one["teacher_top1_agreement"] for one in runs if "teacher_top1_agreement" in one]
    return (name, f"{runs[0]['parameters']:,}", "" if name.endswith("-gram") else f"{share:.1f} %",
            mean_and_spread([one["word_perplexity"] for one in runs], 1),
            mean_and_spread([one["bits_per_byte"] for one in runs], 4),
            mean_and_spread([one["nll"] for one in runs], 4),
            f"{mean_and_spread(agreement, 1)} %" if agreement else "")


def order(results):
    """n-grams, teacher, then each student behind its untrained SVD."""
    names = sorted(name for name in results if name.endswith("-gram")) + ["teacher"]
    for name in STUDENTS:
        if name.startswith("lrc"):
            names.append("svd" + name[3:])
        names.append(name)
    return names


def markdown(rows):
    lines = ["| " + " | ".join(cells) + " |" for cells in rows]
    lines.insert(1, "|---" + "|---:" * (len(rows[0]) - 1) + "|")
    return lines


def compare(a, b, results):
    """What the seeds say of a against b, in nats per token of the test split."""
    one, other = results[a], results[b]
    if len(other) == 1:
        other = other * len(one)
    if len(one) == 1 and len(results[b]) > 1:
        one = one * len(other)
    gains = [y["nll"] - x["nll"] for x, y in zip(one, other)]
    mean = statistics.mean(gains)
    if len(gains) == 1:
        return f"{a} is {'better' if mean > 0 else 'worse'} than {b} by {abs(mean):.4f} nats per token (one run each)."
    half = T_95[len(gains)] * statistics.stdev(gains) / math.sqrt(len(gains))
    if abs(mean) <= half:
        return f"{a} and {b} cannot be told apart: {mean:+.4f} ± {half:.4f} nats per token."
    word = "better" if mean > 0 else "worse"
    return f"{a} is {word} than {b} by {abs(mean):.4f} ± {half:.4f} nats per token."


def statements(results):
    pairs = [("teacher", f"{n}-gram") for n in (2, 3, 5)]
    pairs += [(name, "svd" + name[3:]) for name in STUDENTS if name.startswith("lrc")]
    pairs += [("lrc-r48", "fac-r48"), ("lrc-r48", "lm-r48"), ("fac-r48", "lm-r48"), ("lrc-r16", "fac-r48"),
              ("lrc-r96", "teacher"), ("lrc-r96", "3-gram"), ("lrc-r48", "3-gram"), ("lm-r48", "3-gram")]
    return [f"- {compare(a, b, results)}" for a, b in pairs]


def rate(folder, run):
    """(tokens, tokens per second) of a run, from its metrics."""
    with h5py.File(folder / run / "metrics.h5", "r") as file:
        tokens, seconds = int(file["/train/tokens"][-1]), float(file["/train/time_s"][-1])
    return tokens, tokens / seconds


def costs(folder):
    """Lines on time: from times.tsv (stage, seconds, seconds of processor), added up over the calls."""
    total = {}
    for line in (folder / "times.tsv").read_text(encoding="utf-8").splitlines():
        stage, seconds, cpu = line.split("\t")
        before = total.get(stage, (0, 0))
        total[stage] = (before[0] + int(seconds), before[1] + int(cpu))
    rows = [("stage", "minutes", "processor minutes")]
    rows += [(stage, f"{s / 60:.1f}", f"{c / 60:.1f}") for stage, (s, c) in total.items()]
    rows.append(("together", *(f"{sum(one[i] for one in total.values()) / 60:.1f}" for i in (0, 1))))
    return markdown(rows)


def made_by(folder, run):
    """The version of lrd that a run was made with."""
    text = (folder / run / "run.toml").read_text(encoding="utf-8")
    return re.search(r'^version = "(.*)"', text, re.MULTILINE)[1]


def validation(folder, run, name):
    """The last validation loss of a student, nats per token."""
    with h5py.File(folder / run / "metrics.h5", "r") as file:
        return float(file[f"/students/{name}/val/loss_lm"][-1])


def precision(folder, name="lrc-r32"):
    """Lines on bf16 against fp32, or none where it was not run."""
    if not (folder / "bf16-1").exists():
        return []
    fp32, bf16 = ([validation(folder, f"{run}-{seed}", name) for seed in SEEDS] for run in ("students", "bf16"))
    return ["## bf16 against fp32", "",
            f"{name} again, alone and in bf16: the same seeds, teacher and settings (lrd {made_by(folder, 'bf16-1')}). "
            "Validation loss, nats per token.", "",
            *markdown([("seed", "fp32", "bf16", "bf16 − fp32")] +
                      [(str(seed), f"{a:.5f}", f"{b:.5f}", f"{b - a:+.5f}") for seed, a, b in zip(SEEDS, fp32, bf16)]),
            "", precision_statement(fp32, bf16), ""]


def precision_statement(fp32, bf16):
    """Whether bf16 changes less than another seed does."""
    precisions = max(abs(b - a) for a, b in zip(fp32, bf16))
    seeds = min(abs(b - a) for i, a in enumerate(fp32) for b in fp32[:i])
    verdict = "less than any two seeds do" if precisions < seeds else "no less than two seeds do"
    return (f"The precisions differ by at most {precisions:.5f}, {verdict}: these differ by {seeds:.5f} or more.")


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def page(folder):
    results = load(folder)
    tested = results["teacher"][0]
    teacher_tokens, teacher_rate = rate(folder, "teacher")
    student_tokens, student_rate = rate(folder, "students-1")
    return "\n".join([
        "# WikiText-2: a teacher and seven students",
        "",
        "Made by `bash jobs/wikitext2/run.sh CORPUS` (this page too: `results.py`); run files beside this page, "
        "metrics and evaluations in `analysis/recorded/wikitext2/`.",
        "",
        f"- lrd {made_by(folder, 'students-1')}; {processor()}, {os.cpu_count()} cores, two ranks of one thread, fp32.",
        f"- Teacher: {teacher_tokens / 1e6:.1f} M tokens at {teacher_rate:,.0f} tokens/s, best on the validation split. "
        f"Students: {student_tokens / 1e6:.1f} M tokens, {len(STUDENTS)} on one pass of the teacher at "
        f"{student_rate:,.0f} tokens/s, seeds {', '.join(map(str, SEEDS))} (order of the windows; random factors).",
        f"- Test: `wiki.test.tokens` (its `<unk>` are text), {tested['tokens']:,} tokens of a vocabulary of 8,192 learnt on "
        f"the train split, windows of {tested['context']} side by side, end-of-text scored; words with one per line "
        f"end ({tested['words']:,}), bytes {tested['bytes']:,}.",
        "",
        *markdown([HEAD] + [row(name, results) for name in order(results)]),
        "",
        "± is the standard deviation over the seeds. svd-rN: the teacher's truncated SVD, untrained, where lrc-rN starts. "
        "lrc: lifted, all losses. fac: factored from random factors, the same losses. lm: the same without "
        "a teacher. n-gram: interpolated modified Kneser-Ney on the same ids; its parameters are the n-grams it stores.",
        "",
        "## What is better than what",
        "",
        "Differences of the test loss; ± is a 95 % interval over the paired seeds, so it says what another seed would "
        "change, not what another corpus would. One teacher, one draw of it: its own noise is in none of these. lrc "
        f"starts from the teacher's weights, which have seen {teacher_tokens / 1e6:.1f} M tokens; fac and lm see "
        f"{student_tokens / 1e6:.1f} M in all. What lrc gains over them is start and method together; what fac gains "
        "over lm is the teacher's outputs alone.",
        "",
        *statements(results),
        "",
        *precision(folder),
        "## Time",
        "",
        *costs(folder),
    ])


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(page(pathlib.Path(sys.argv[1])))


if __name__ == "__main__":
    main()
