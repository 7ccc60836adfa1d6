# SPDX-License-Identifier: MIT
"""against_pytorch.py PROGRAMS [--rows a,b] [--rounds N] [--mode M] [--small] [--alone] [--list]

lrd against the same work in PyTorch, or against other work of its own: rows of step_rows.py,
without --rows those of the table of bars. Before a step is timed both sides load the same weights
and tokens and must agree in the KD, LM and clone terms and the gradient's norm of their first step
and, where they then do the same, in the terms of their second. They then take turns, in the order
ab ba ab …, while the other is stopped. Printed are medians, the ratio of the paired times with its
95 % interval, what share of the measured rate of products or memory that is, and peak memory.
PyTorch's side is the faster of eager and compile, chosen once for all rows in which it does the
same, unless --mode says otherwise.

A row is red (exit code 1) only where the whole interval lies below its bar, or where two sides of
our own are slow: below half of the rate. --small: a tiny model, for a test of the comparison
itself, whose times nobody judges. --alone: also times each side with nobody to take turns with,
which shows what the turns themselves cost.
"""

import argparse
import contextlib
import pathlib
import shutil
import signal
import sys
import tempfile
from dataclasses import replace

import step_sides
import trained_teacher
from step_rows import SMALL, all_rows
from verdict import Times, judge

TOLERANCE = {"fp32": 1e-3, "bf16": 2e-2}
TERMS = ("kd", "lm", "clone", "grad_norm")


class Differ(Exception):
    """Two sides do not compute the same."""


def compare(what, a, b, tolerance, terms=TERMS):
    """The largest relative difference."""
    worst = 0.0
    for term in terms:
        for k, (x, y) in enumerate(zip(a[term], b[term], strict=True)):
            if x is None and y is None:
                continue
            if x is None or y is None or not abs(x - y) <= tolerance * abs(y):
                raise Differ(f"{what}: {term} of student {k} is {x} here, {y} there; "
                             f"tolerance {tolerance:g} relative")
            worst = max(worst, abs(x - y) / max(abs(y), 1e-300))
    return worst


def numbers(values):
    return "/".join("none" if v is None else f"{v:.4g}" for v in values)


def interleave(sides, rounds):
    """The order turns round from round to round, so that neither always follows the other."""
    for i in range(rounds):
        for one in (sides if i % 2 == 0 else reversed(sides)):
            one.take(one.side.work.repeat)


class Comparison:
    faster = {}  # PyTorch's mode, by what it steps: of all rows of this call

    def __init__(self, row, args, folder):
        self.row, self.args, self.folder = row, args, folder
        self.rounds = args.rounds or (3 if args.small else row.rounds)
        self.tolerance = TOLERANCE[row.ours.precision]
        self.stack = contextlib.ExitStack()

    def lrd(self, work, tag):
        shutil.rmtree(self.folder / (tag + "-cache"), ignore_errors=True)
        return self.stack.enter_context(
            step_sides.lrd(self.args.programs, work, self.folder, tag))

    def pytorch(self, first, second):
        """In the faster mode, once it has been found equal to our first two steps."""
        # Several students are as many times the work of one; none changes which mode is faster.
        work = replace(self.row.theirs, ranks=(), separate=False, repeat=1)
        modes = [self.args.mode or self.faster.get(work)]
        if modes == [None]:
            modes = ["eager", "compile"]
        best = None
        for mode in modes:
            side = self.start_pytorch(mode, first, second)
            if len(modes) > 1:
                for _ in range(2):
                    side.take(side.side.work.repeat)
                print(f"  PyTorch {mode}: {min(side.seconds[1:]):.4f} s", flush=True)
            if best is None or min(side.seconds[1:]) < min(best.seconds[1:]):
                best, side = side, best
            if side is not None:
                side.side.close()
        self.faster[work] = best.side.mode
        return best

    def start_pytorch(self, mode, first, second):
        side = Times(self.stack.enter_context(step_sides.pytorch(
            self.folder / "lrd.safetensors", self.row.theirs, mode,
            keep_memory=self.row.measure != "memory")))
        self.check_state(first, side.side, mode)
        side.take()
        self.check_updated(second, side.take(), mode)
        return side

    def check_state(self, first, there, mode):
        """Our first step against the state that PyTorch starts from; it sees its teacher as we do."""
        kind = self.row.ours.teacher
        kind = kind if kind in ("cached", "topk") else "online"
        same = there.ask("check " + kind)
        worst = compare(f"{mode}, first step", first, same, self.tolerance)
        terms = ", ".join(f"{term} {numbers(same[term])}" for term in TERMS)
        print(f"  {mode}: equal to {worst:.1e} in {terms}", flush=True)
        if kind != "online":  # what is timed there sees its teacher as it is
            exact = there.ask("check online")
            terms = ("kd", "lm", "clone") if kind == "cached" else ("lm", "clone")
            compare(f"{mode}, online", first, exact, TOLERANCE["bf16"], terms)
            if kind == "topk":
                print(f"  kd of the {self.row.ours.topk} largest and a bucket "
                      f"{numbers(first['kd'])}, exact {numbers(exact['kd'])}")

    def check_updated(self, ours, theirs, name):
        if self.row.ours.teacher in ("online", "none"):
            # The norm by which PyTorch clips is fp32's.
            worst = compare(f"{name}, second step", ours, theirs, self.tolerance, TERMS[:3])
            print(f"  {name}: after an update equal to {worst:.1e}", flush=True)

    def run(self):
        """Ours, theirs, and whoever else is timed, warm."""
        row = self.row
        ours = Times(self.lrd(row.ours, "lrd"))
        first, second = ours.take(), ours.take()
        if row.pytorch:
            theirs = self.pytorch(first, second)
        else:
            theirs = Times(self.lrd(row.theirs, "lrd-theirs"))
            a, b = theirs.take(), theirs.take()
            if row.same:
                worst = compare("first step", first, a, self.tolerance)
                print(f"  equal to {worst:.1e}")
                self.check_updated(second, b, "lrd")
        sides = [ours, theirs]
        if row.online is not None:
            sides.append(Times(self.lrd(row.online, "lrd-online")))
            for _ in range(2):
                sides[-1].take()
        for one in sides:
            one.seconds.clear()  # of steps that built and warmed
        if self.args.alone:
            self.alone(sides)
        interleave(sides, self.rounds)
        return sides

    def alone(self, sides):
        for one in sides:
            for _ in range(self.rounds):
                one.take(one.side.work.repeat)
            one.alone = one.median()
            one.seconds.clear()


def run_row(row, args, folder):
    print(f"{row.name}: {row.what}", flush=True)
    if args.small:
        row = replace(row, ours=row.ours.small(), theirs=row.theirs.small(),
                      online=row.online and row.online.small())
    comparison = Comparison(row, args, folder)
    try:
        with comparison.stack:
            good = judge(row, comparison.run(), judged=not args.small)
        if row.trained:
            good = trained_teacher.judged(args.programs, folder, row.ours.topk,
                                          not args.small) and good
        return good
    except step_sides.NotThere as what:
        print(f"  not measured: {what}", flush=True)
        return True
    except Differ as what:
        print(f"  FAIL: the sides differ, nothing is timed: {what}", flush=True)
        return False


def parse(rows):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[2],
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", type=lambda p: pathlib.Path(p).resolve(),
                        help="folder of step_server")
    parser.add_argument("--rows", help="names, separated by commas; default: the table of bars")
    parser.add_argument("--rounds", type=int, default=0, help="default: by row")
    parser.add_argument("--mode", choices=["eager", "compile", "max-autotune"])
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--list", action="store_true", help="names of all rows")
    args = parser.parse_args()
    table = [row.name for row in rows.values() if row.table]
    args.rows = args.rows.split(",") if args.rows else list(SMALL if args.small else table)
    unknown = set(args.rows) - set(rows)
    if unknown:
        parser.error(f"no row {', '.join(sorted(unknown))}; there are {', '.join(rows)}")
    return args


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # not without ending both sides
    rows = all_rows()
    args = parse(rows)
    if args.list:
        for row in rows.values():
            print(f"{row.name:<24} {'in the table' if row.table else '':<14} {row.what}")
        return 0
    good = []
    with tempfile.TemporaryDirectory(prefix="lrd-steps-") as folder:
        for name in args.rows:
            good.append(run_row(rows[name], args, pathlib.Path(folder)))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
