# SPDX-License-Identifier: MIT
"""Which rows of the comparison are red: bars, intervals, floors and the cosine."""
import contextlib
import io
import types
import unittest
import unittest.mock
from dataclasses import replace

import step_rows
import trained_teacher
import verdict
from step_sides import Work

RATE = {"per_turn": 8.0, "per_second": 10.0, "unit": "GFLOP", "of": "products",
        "fill_seconds_per_window": 0.55}


def side(seconds, work=Work(), peak=2**30, **ready):
    timed = types.SimpleNamespace(name="side", work=work, ready=ready)
    return verdict.Times(timed, list(seconds), peak)


class Verdict(unittest.TestCase):
    def judge(self, row, ours, theirs, judged=True):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            good = verdict.judge(row, [ours, theirs], judged)
        return good, out.getvalue()

    def row(self, bar, **changes):
        return replace(step_rows.Row("row", "a row", Work(), Work()), bar=bar, **changes)

    def test_only_an_interval_below_the_bar_is_red(self):
        ours, theirs = side([1.0, 1.0, 1.0]), side([1.4, 1.5, 1.6])
        for bar, good, word in ((1.4, True, "PASS\n"), (1.6, True, "reaches"), (1.9, False, "FAIL")):
            with self.subTest(bar=bar):
                result, out = self.judge(self.row(bar), ours, theirs)
                self.assertEqual(result, good)
                self.assertIn(word, out)
        self.assertTrue(self.judge(self.row(1.9), ours, theirs, judged=False)[0])

    def test_part_of_the_ratio_of_flops(self):
        """Four times as fast of eight times fewer FLOPs is one half."""
        ours = side([1.0] * 3, **(RATE | {"per_turn": 8.0}))
        theirs = side([4.0] * 3, **(RATE | {"per_turn": 64.0, "per_second": 20.0}))
        for bar, good in ((0.45, True), (0.55, False)):
            row = self.row(bar, pytorch=False, of_bound=True)
            self.assertEqual(self.judge(row, ours, theirs)[0], good)

    def test_slow_sides_are_below_the_floor(self):
        row = self.row(0.9, pytorch=False)
        fast, slow = side([1.0] * 3, **RATE), side([2.0] * 3, **RATE)
        self.assertTrue(self.judge(row, fast, fast)[0])
        good, out = self.judge(row, slow, slow)
        self.assertFalse(good)
        self.assertIn("0.40 of products, below 0.5", out)

    def test_the_cache_is_paid_for(self):
        """Two windows of 0.55 s over 55 epochs: 0.02 s more a step."""
        cached = Work(teacher="cached", repeat=4)
        row = self.row(1.97, ours=cached, epochs=55)
        ours, theirs = side([1.0] * 8, cached, **RATE), side([2.0] * 8)
        good, out = self.judge(row, ours, theirs)
        self.assertFalse(good)
        self.assertIn("ratio 1.961", out)
        self.assertIn("64 different", out)

    def test_memory(self):
        row = self.row(2.0, measure="memory")
        self.assertTrue(self.judge(row, side([1], peak=1e9), side([1], peak=2e9))[0])
        self.assertFalse(self.judge(row, side([1], peak=1e9), side([1], peak=1.9e9))[0])

    def test_cosine(self):
        answer = {"V": 509, "missing": 0.1, "bound": 1.0, "exact": 2.0, "cosine_of_rows": 1.0}
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertTrue(verdict.judge_trained(64, answer | {"cosine": 0.995}, True))
            self.assertFalse(verdict.judge_trained(64, answer | {"cosine": 0.985}, True))
            self.assertFalse(verdict.judge_trained(64, answer | {"cosine": float("nan")}, True))

    def test_what_is_not_measured_is_said(self):
        with contextlib.redirect_stdout(io.StringIO()) as out, \
                unittest.mock.patch.dict("os.environ", clear=True):
            self.assertTrue(trained_teacher.judged(None, None, 64, True))
        self.assertIn("not measured, since LRD_TRAINED_TEACHER is not set", out.getvalue())


class Rows(unittest.TestCase):
    def test_the_table_is_whole(self):
        """Every bar of the table, and no row without one."""
        table = {row.name: row.bar for row in step_rows.all_rows().values() if row.table}
        self.assertEqual(table, {
            "online-bf16": 1.5, "online-fp32": 1.2, "cached-bf16": 2.6, "topk-bf16": 3.5,
            "finetune-bf16": 1.2, "own-finetune-bf16": 2.8, "own-finetune-b8-bf16": 2.8,
            "six-own-bf16": 1.8, "six-bf16": 2.8, "memory-bf16": 2.0, "two-ranks-bf16": 0.95,
            "eval-fp32": 0.45, "generate-fp32": 0.5, "demo-bf16": 2.0, "demo-fp32": 2.0})

    def test_cached_rows_read_64_windows(self):
        for row in step_rows.all_rows().values():
            if row.ours.teacher in ("cached", "topk"):
                with self.subTest(row=row.name):
                    self.assertGreaterEqual(row.rounds * row.ours.repeat * row.ours.global_batch, 64)
                    self.assertEqual(row.ours.windows, 64)
                    self.assertGreaterEqual(row.ours.topk, 64)


if __name__ == "__main__":
    unittest.main()
