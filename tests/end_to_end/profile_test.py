# SPDX-License-Identifier: MIT
"""Where time goes: the trace of a run and its table of ops, the phases in metrics.h5, bench's tables."""
import collections
import json
import os
import shutil
import signal
import unittest

import h5py
import numpy as np
from harness import KD, LRC, STOPPED, Case, Running, logged_step, run

USAGE, IO = 64, 74
STEPS, PHASES, OPS, WAITING, REDUCTIONS = range(5)
SLACK = 2.0  # microseconds, of rounding


def spans_of(trace, rank, track):
    """(begin, end, event) of one line of the picture, from left to right."""
    return sorted(((e["ts"], e["ts"] + e["dur"], e) for e in trace["traceEvents"]
                   if e["ph"] == "X" and e["pid"] == rank and e["tid"] == track), key=lambda s: s[:2])


class Traces(Case):
    def setUp(self):
        super().setUp()
        self.trace = self.folder / "trace.json"
        self.out = self.folder / "run"

    def train(self, *more, ranks=2, students=(LRC, KD), **train):
        config = self.config(students, **{"steps": 9, "eval_every": 5, **train})
        return run("train", config, "--out", self.out, "--profile", self.trace, *more, ranks=ranks)

    def read(self, steps, ranks=2):
        """The trace, after what holds of every trace of a run."""
        trace = json.loads(self.trace.read_text())
        self.assertEqual(trace["lrd"]["steps"], steps)
        self.assertEqual(trace["lrd"]["spans_lost"], 0)
        events = trace["traceEvents"]
        names = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
        self.assertEqual(sorted(names), list(range(ranks)))
        for rank in range(ranks):
            self.assertIn(f"rank {rank}", names[rank])
            self.assertEqual([e["args"]["number"] for _, _, e in spans_of(trace, rank, STEPS)], steps)
            for inner, outer, least in ((PHASES, STEPS, 0.9), (OPS, PHASES, 0.0), (WAITING, PHASES, 0.0)):
                self.inside(spans_of(trace, rank, inner), spans_of(trace, rank, outer), least)
        return trace

    def inside(self, inner, outer, least):
        """Every inner span lies in one outer span, beside the others; together they fill `least` of it."""
        for (_, end, e), (begin, _, _) in zip(inner, inner[1:]):
            self.assertLess(end, begin + SLACK, e)
        for begin, end, e in inner:
            self.assertTrue(any(b < begin + SLACK and end < e_ + SLACK for b, e_, _ in outer), e)
        whole = sum(end - begin for begin, end, _ in outer)
        self.assertGreaterEqual(sum(end - begin for begin, end, _ in inner), least * whole)

    def test_of_two_ranks(self):
        self.expect(self.train(), 0)
        trace = self.read([3, 4, 5, 6, 7])
        for rank in (0, 1):
            found = collections.Counter(e["ph"] for e in trace["traceEvents"]
                                        if e["tid"] == REDUCTIONS and e["pid"] == rank and "cat" in e)
            self.assertGreater(found["b"], 0)
            self.assertEqual(found["b"], found["e"])
            waiting = {e["name"] for _, _, e in spans_of(trace, rank, WAITING)}
            self.assertEqual(waiting, {"gradients", "loss sums"})
        # One clock: a step of a rank ends with what it gets of the other, so steps of a number meet.
        for (b0, e0, _), (b1, e1, _) in zip(spans_of(trace, 0, STEPS), spans_of(trace, 1, STEPS)):
            self.assertLess(max(b0, b1), min(e0, e1))

    def test_table_of_ops(self):
        result = self.expect(self.train("--profile_steps", "2", ranks=None), 0)
        trace = self.read([2], ranks=1)
        of = collections.defaultdict(list)
        for _, _, e in spans_of(trace, 0, OPS):
            of[e["name"]].append(e)
        self.assertEqual(set(of), set(trace["lrd"]["ops"]))
        for op, row in trace["lrd"]["ops"].items():
            seconds = sum(e["dur"] for e in of[op]) / 1e6
            flops, moved = (sum(e["args"].get(key, 0) for e in of[op]) for key in ("flops", "bytes"))
            self.assertEqual(row["calls"], len(of[op]))
            self.assertAlmostEqual(row["seconds"], seconds, delta=1e-9 + 1e-6 * seconds)
            self.assertAlmostEqual(row["gflop_per_s"] * seconds * 1e9, flops, delta=1 + 1e-6 * flops)
            best = max(flops / trace["lrd"]["product_gflop_per_s"], moved / trace["lrd"]["copy_gb_per_s"]) / 1e9
            self.assertAlmostEqual(row["peak_fraction"], best / seconds, delta=1e-6 * (1 + row["peak_fraction"]))
            self.assertRegex(result.err, rf"(?m)^{op} +{row['calls']} ")
        self.assertGreater(trace["lrd"]["ops"]["matmul"]["gflop_per_s"], 0)

    def test_of_the_tree(self):
        self.expect(self.train("--run.reproducible=true"), 0)
        trace = self.read([3, 4, 5, 6, 7])
        self.assertTrue(any(e["name"] == "exchange" for e in trace["traceEvents"]))

    def test_stopped_before_its_last_step(self):
        config = self.config([LRC], steps=100000, eval_every=0)
        running = Running("train", config, "--out", self.out, "--profile", self.trace,
                          "--profile_steps=2-99999", ranks=2)
        running.wait_until(lambda: logged_step(self.out) >= 5, "step 5")
        os.kill(running.pids()[1], signal.SIGUSR1)
        self.expect(running.wait(), STOPPED)
        steps = json.loads(self.trace.read_text())["lrd"]["steps"]
        self.read(list(range(2, steps[-1] + 1)))
        self.assertGreaterEqual(steps[-1], 5)
        self.trace.unlink()
        # Steps count from the start of the command, whatever stands there already.
        self.expect(run("train", config, "--out", self.out, "--profile", self.trace,
                        f"--max_time={3}s", ranks=2), STOPPED)
        self.read([steps[-1] + i for i in range(3, 8)])

    def test_refused_before_anything(self):
        train = ("train", self.config([LRC]), "--out", self.out)
        bench = ("bench", "--config", "tiny")
        for command, path, ranks in ((train, "nowhere/trace.json", 2), (train, "/proc/trace.json", None),
                                     (train, ".", None), (bench, "nowhere/trace.json", 2)):
            result = self.expect(run(*command, "--profile", path, ranks=ranks, cwd=self.folder), IO)
            self.assertEqual(len(result.sentences()), 1, result)
            self.assertIn(path, result.sentences()[0])
        for steps, ranks in (("7-3", 2), ("three", None)):
            result = self.expect(self.train(f"--profile_steps={steps}", ranks=ranks), USAGE)
            self.assertEqual(len(result.sentences()), 1, result)
            self.assertIn("write 3-7", result.sentences()[0])
        result = run("bench", "--config", "tiny", "--sweep", "--profile", self.trace)
        self.expect(result, USAGE)
        self.assertFalse(self.out.exists() or self.trace.exists())


class Metrics(Case):
    def phases(self, ranks, **train):
        """Per row of metrics: seconds of the steps, and the part of them that is in no phase."""
        out = self.folder / "run"
        self.expect(run("train", self.config([LRC], **train), "--out", out, ranks=ranks), 0)
        with h5py.File(out / "metrics.h5") as file:
            phases = {name: column[:] for name, column in file["phases"].items()}
            time = file["train/time_s"][-1]
        step = phases.pop("step_s")
        every = train["log_every"]
        self.assertEqual(list(phases.pop("step")), list(range(every, train["steps"] + 1, every)))
        self.assertAlmostEqual(step.sum(), time, delta=1e-6 * time)
        for name, seconds in phases.items():
            self.assertGreater(seconds.sum(), 0, name)
        rest = step - sum(phases.values())
        self.assertGreaterEqual(rest.min(), 0)
        return step, rest

    def test_phases_are_the_step(self):
        # Steps of some 30 ms, so that a moment in which others have the core is small beside them.
        for ranks in (None, 2):
            step, rest = self.phases(ranks, steps=24, global_batch=128, log_every=4, eval_every=8)
            self.assertTrue((rest < np.maximum(0.02 * step, 0.002)).all(), rest / step)
            shutil.rmtree(self.folder / "run")

    def test_phases_are_a_short_step(self):
        # … and of a millisecond, in which no phase is small. The median: others may have had the core.
        step, rest = self.phases(None, steps=60, global_batch=2, micro_batch=2, log_every=1, eval_every=0)
        self.assertLess(np.median(rest / step), 0.02, step)


class Bench(Case):
    def test_trace_and_ops(self):
        result = self.expect(run("bench", "--config", "tiny", "--rank", "4", "--context", "32", "--steps", "2",
                                 "--threads", "1", "--profile", "trace.json", "--json", ranks=2, cwd=self.folder), 0)
        found = json.loads(result.out)
        trace = json.loads((self.folder / "trace.json").read_text())
        self.assertEqual(trace["lrd"]["ops"], found["ops"])
        self.assertEqual(len(spans_of(trace, 1, STEPS)), 2)
        self.assertEqual(set(found["ops"]["matmul"]),
                         {"calls", "seconds", "gflop_per_s", "gb_per_s", "peak_fraction"})

    def test_sweep(self):
        found = json.loads(self.expect(
            run("bench", "--config", "tiny", "--rank", "8", "--context", "32", "--micro-batch", "1", "--steps",
                "1", "--threads", "1", "--sweep", "--json"), 0).out)["sweep"]
        self.assertEqual([row["T"] for row in found["context"]], [4, 8, 16, 32])
        self.assertEqual([row["r"] for row in found["rank"]], [4, 8, 16, 32])
        self.assertEqual([row["K"] for row in found["students"]], [1, 2, 4])
        for rows in found.values():
            model = [row["flop_model"] for row in rows]
            self.assertEqual((model[0], rows[0]["measured"]), (1, 1))
            self.assertEqual(model, sorted(set(model)), "it grows")
            for row in rows:
                ratio = row["seconds_per_step"] / rows[0]["seconds_per_step"]
                self.assertAlmostEqual(row["measured"], ratio, delta=1e-6 * ratio)
        one, two, four = (row["flop_model"] for row in found["students"])
        self.assertAlmostEqual(four - two, 2 * (two - one), delta=1e-9)


if __name__ == "__main__":
    unittest.main()
