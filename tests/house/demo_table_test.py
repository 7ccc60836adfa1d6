#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""jobs/demo/table.py on results made up here."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "jobs" / "demo"))
import table  # noqa: E402


def result(nll, parameters, agreement=None):
    one = {"nll": nll, "bits_per_byte": nll / 2, "word_perplexity": 100 * nll, "tokens": 5000,
           "parameters": parameters}
    if agreement is not None:
        one["teacher_top1_agreement"] = agreement
    return one


RESULTS = {
    "lrc-r4": result(4.25, 300, 0.5), "kd-r16": result(4.1, 700, 0.55),
    "lrc-r16": result(4.0, 700, 0.6), "svd-r16": result(4.5, 700, 0.4),
    "svd-r4": result(4.2, 300, 0.2), "teacher": result(3.5, 1000),
    "3-gram": result(3.4, 90000), "2-gram": result(3.9, 50000),
}


class TableTest(unittest.TestCase):
    def setUp(self):
        self.lines = table.table(RESULTS).splitlines()

    def line(self, name):
        return next(line.split() for line in self.lines if line.startswith(name))

    def test_order(self):
        self.assertEqual(table.order(RESULTS), ["2-gram", "3-gram", "teacher", "svd-r16", "lrc-r16",
                                                "kd-r16", "svd-r4", "lrc-r4"])

    def test_gain_is_over_the_svd_of_the_same_rank(self):
        self.assertEqual(self.line("lrc-r16")[-1], "+0.5000")
        self.assertEqual(self.line("kd-r16")[-1], "+0.4000")

    def test_a_loss_is_printed_as_it_is(self):
        self.assertEqual(self.line("lrc-r4")[-1], "-0.0500")

    def test_cells(self):
        self.assertEqual(self.line("lrc-r16"),
                         ["lrc-r16", "700", "70.0", "%", "4.0000", "2.0000", "400.0", "60.0", "%",
                          "+0.5000"])
        self.assertEqual(self.line("2-gram"), ["2-gram", "50,000", "3.9000", "1.9500", "390.0"])

    def test_says_whom_the_teacher_beats(self):
        self.assertEqual(self.lines[-1], "The teacher is better than 2-gram.")
        worse = {**RESULTS, "teacher": result(5.0, 1000)}
        self.assertTrue(table.table(worse).endswith("better than no n-gram."))


if __name__ == "__main__":
    unittest.main()
