#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""jobs/wikitext2/results.py and jobs/record.py on results made up here."""
import pathlib
import sys
import tempfile
import unittest

jobs = pathlib.Path(__file__).parents[2] / "jobs"
sys.path[:0] = [str(jobs), str(jobs / "wikitext2")]
try:
    import h5py
    import numpy as np

    import record
    import results
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)


def one(nll, parameters=100, agreement=None):
    made = {"nll": nll, "bits_per_byte": nll / 2, "word_perplexity": 10 * nll, "parameters": parameters}
    if agreement is not None:
        made["teacher_top1_agreement"] = agreement
    return made


MADE = {"teacher": [one(3.0, 1000)], "3-gram": [one(3.5, 5000)], "2-gram": [one(2.5, 4000)],
        "svd-r8": [one(4.0)],
        "lrc-r8": [one(3.4, agreement=0.5), one(3.5, agreement=0.5), one(3.6, agreement=0.53)],
        "lm-r8": [one(3.5), one(3.4), one(3.7)]}


class ResultsTest(unittest.TestCase):
    def test_one_run_has_no_spread_and_three_have(self):
        self.assertEqual(results.mean_and_spread([3.25], 1), "3.2")
        self.assertEqual(results.mean_and_spread([1.0, 2.0, 3.0], 1), "2.0 ± 1.0")

    def test_row(self):
        self.assertEqual(results.row("lrc-r8", MADE), ("lrc-r8", "100", "10.0 %", "35.0 ± 1.0",
                                                       "1.7500 ± 0.0500", "3.5000 ± 0.1000", "51.0 ± 1.7 %"))
        self.assertEqual(results.row("3-gram", MADE)[2], "")

    def test_single_runs_are_compared_without_an_interval(self):
        self.assertEqual(results.compare("teacher", "3-gram", MADE),
                         "teacher is better than 3-gram by 0.5000 nats per token (one run each).")
        self.assertIn("teacher is worse than 2-gram by 0.5000", results.compare("teacher", "2-gram", MADE))

    def test_interval_over_the_seeds(self):
        # gains 0.6, 0.5, 0.4: mean 0.5, standard deviation 0.1, t = 4.303 at three seeds
        self.assertEqual(results.compare("lrc-r8", "svd-r8", MADE),
                         "lrc-r8 is better than svd-r8 by 0.5000 ± 0.2484 nats per token.")
        self.assertIn("svd-r8 is worse than lrc-r8 by 0.5000 ± 0.2484", results.compare("svd-r8", "lrc-r8", MADE))

    def test_what_the_seeds_cannot_tell_is_said_so(self):
        # gains 0.1, -0.1, 0.1 against lm-r8
        self.assertIn("cannot be told apart", results.compare("lrc-r8", "lm-r8", MADE))

    def test_bf16_is_judged_by_what_seeds_change(self):
        self.assertIn("differ by at most 0.00010, less than any two seeds do: these differ by 0.00300",
                      results.precision_statement([4.5, 4.503, 4.51], [4.5001, 4.503, 4.51]))
        self.assertIn("no less than two seeds do",
                      results.precision_statement([4.5, 4.503, 4.51], [4.5, 4.507, 4.51]))

    def test_a_record_has_no_place_and_no_host(self):
        text = 'tokens = "/home/ada/lrd/work/tokens"\nhost = "node7"\nranks = 2\n'
        root = pathlib.Path("/home/ada/lrd")
        self.assertEqual(record.neutral(text, root), 'tokens = "work/tokens"\nranks = 2\n')
        with tempfile.TemporaryDirectory() as folder:
            source, target = pathlib.Path(folder, "run"), pathlib.Path(folder, "recorded")
            source.mkdir()
            (source / "run.toml").write_text(text, encoding="utf-8")
            with h5py.File(source / "metrics.h5", "w") as file:
                file.attrs["config_toml"] = np.bytes_(text)
                file["train/loss"] = np.arange(3.0)
            record.record(source, target, root)
            self.assertEqual((target / "run.toml").read_text(encoding="utf-8"), 'tokens = "work/tokens"\nranks = 2\n')
            self.assertNotIn(b"/home/ada", (target / "metrics.h5").read_bytes())
            with h5py.File(target / "metrics.h5") as file:
                self.assertEqual(file.attrs["config_toml"].decode(), 'tokens = "work/tokens"\nranks = 2\n')
                self.assertEqual(list(file["train/loss"]), [0.0, 1.0, 2.0])


if __name__ == "__main__":
    unittest.main()
