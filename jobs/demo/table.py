#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The demo's table from what `lrd eval --json` and ngram.py wrote.

    table.py FOLDER     with teacher.json, ngram.json, svd-rN.json, NAME-rN.json

A student's gain is over the truncated SVD of the same rank, in nats per token.
"""
import json
import pathlib
import sys

HEAD = ("model", "parameters", "of teacher", "NLL/token", "bits/byte", "word ppl", "top-1 agr.",
        "gain over SVD")


def rank_of(name):
    return name.rpartition("-r")[2]


def load(folder):
    """{name: result} of all files; n-grams come as "2-gram", …"""
    results = {}
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if path.stem == "ngram":
            results.update({one["model"]: one for one in content})
        else:
            results[path.stem] = content
    return results


def order(results):
    """n-grams, teacher, then per rank, largest first: the SVD and the students, best first."""
    grams = sorted(name for name in results if name.endswith("-gram"))
    ranked = [name for name in results if "-r" in name]
    ranked.sort(key=lambda name: (-int(rank_of(name)), not name.startswith("svd"),
                                  results[name]["nll"]))
    return grams + ["teacher"] + ranked


def row(name, results):
    one, teacher = results[name], results["teacher"]
    svd = results.get(f"svd-r{rank_of(name)}") if "-r" in name else None
    agreement = one.get("teacher_top1_agreement")
    ratio = one["parameters"] / teacher["parameters"]
    return (
        name + (" *" if name.startswith("svd") else ""),
        f"{one['parameters']:,}",
        f"{100 * ratio:.1f} %" if not name.endswith("-gram") else "",
        f"{one['nll']:.4f}",
        f"{one['bits_per_byte']:.4f}",
        f"{one['word_perplexity']:.1f}",
        "" if agreement is None else f"{100 * agreement:.1f} %",
        "" if svd is None or one is svd else f"{svd['nll'] - one['nll']:+.4f}",
    )


def table(results):
    names = order(results)
    rows = [HEAD] + [row(name, results) for name in names]
    widths = [max(len(line[i]) for line in rows) for i in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                       for i, (cell, width) in enumerate(zip(line, widths))).rstrip()
             for line in rows]
    lines.insert(1, "-" * len(lines[0]))
    lines.insert(lines.index(next(line for line in lines if line.startswith("teacher"))), "")
    beaten = [name for name in names if name.endswith("-gram")
              and results["teacher"]["nll"] < results[name]["nll"]]
    lines += ["", f"{results['teacher']['tokens']:,} tokens of the test split. "
              "n-gram: Kneser-Ney, its parameters are the n-grams it stores.",
              "* the teacher's truncated SVD, untrained: where the lrc student of that rank starts.",
              "The teacher is better than " + (" and ".join(beaten) if beaten else "no n-gram") + "."]
    return "\n".join(lines)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(table(load(pathlib.Path(sys.argv[1]))))


if __name__ == "__main__":
    main()
