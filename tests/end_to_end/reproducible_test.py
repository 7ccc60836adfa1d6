# SPDX-License-Identifier: MIT
"""run.reproducible: the same bits on 1, 2 and 4 ranks, also where a run goes on with other ranks."""
import unittest
from unittest import mock

import harness
from harness import DENSE, KD, LRC, RELATIVE, SGD, STOPPED, Case, columns, fingerprint, run, same_run

STEPS = 12
# Every form, every loss and both optimisers.
STUDENTS = [LRC, RELATIVE, KD, SGD, 'name = "dense"\nform = "dense"\nloss.clone_reduction = "sum"']


class Reproducible(Case):
    def config(self, students=STUDENTS, name="run.toml", **train):
        train = {"steps": STEPS, "global_batch": 16, "micro_batch": 2, "eval_every": 5,
                 "checkpoint_every": STEPS, **train}
        path = super().config(students, name, loose="[optim]\nlr = 1e-3", **train)
        path.write_text(path.read_text().replace("threads = 1", "reproducible = true"))
        return path

    def train(self, name, *flags, ranks=None, code=0, config=None):
        out = self.folder / name
        result = run("train", config or self.config(), "--out", out, *flags, ranks=ranks)
        self.expect(result, code)
        return out if code in (0, STOPPED) else result

    def refused(self, sentence, *flags, **settings):
        result = self.train("refused", *flags, code=64, **settings)
        self.assertEqual(len(result.sentences()), 1, result)
        self.assertIn(sentence, result.sentences()[0])

    def test_same_bits_on_1_2_and_4_ranks(self):
        one = self.train("one")
        same_run(self, one, self.train("two", ranks=2), STEPS)
        same_run(self, one, self.train("four", ranks=4), STEPS)
        self.assertEqual(columns(one)["students/dense/val/step"].tolist(), [5, 10, STEPS])

    def test_same_bits_from_scratch(self):
        config = self.folder / "scratch.toml"
        text = harness.toml(self.world.tokens, [DENSE], steps=STEPS, micro_batch=1, checkpoint_every=STEPS)
        config.write_text(text.replace("threads = 1", "reproducible = true"))
        same_run(self, self.train("one", config=config), self.train("four", ranks=4, config=config), STEPS)

    def test_same_bits_when_the_ranks_change_on_the_way(self):
        """1 → 2 → 4 → 1: a file STOP ends a start after its first step."""
        out = self.folder / "changing"
        out.mkdir()
        for step, ranks in enumerate((None, 2, 4), 1):
            (out / "STOP").touch()
            self.train("changing", ranks=ranks, code=STOPPED)
            self.assertEqual(harness.status(out)["step"], step)
        self.train("changing")
        same_run(self, self.train("straight"), out, STEPS)

    def test_the_default_is_not_held_to_it(self):
        """Else the tests above would prove nothing: other ranks, other last bits."""
        config = self.config()
        config.write_text(config.read_text().replace("reproducible = true", "threads = 1"))
        runs = [self.train(f"ranks-{ranks}", ranks=ranks, config=config) for ranks in (1, 4)]
        self.assertNotEqual(*(harness.manifest(out, STEPS)["tensors"] for out in runs))

    def test_numbers_that_make_no_tree_are_refused(self):
        self.refused("1, 2, 4, … ranks, not 3; start 2 or 4", ranks=3)
        self.refused("a power of two of micro-batches, not 3", "--train.global_batch=12",
                     "--train.micro_batch=4", ranks=2)
        self.refused("too few for 4 ranks", "--train.micro_batch=8", ranks=4)

    def test_what_decides_bits_stays_on_resume(self):
        out = self.folder / "refused"
        out.mkdir()
        (out / "STOP").touch()
        self.train("refused", code=STOPPED)
        before = fingerprint(out)
        self.refused("train.micro_batch: 2 → 4", "--train.micro_batch=4")
        self.refused("run.threads: 1 → 2", "--run.threads=2", ranks=2)
        self.refused("run.reproducible: true → false", "--run.reproducible=false")
        with mock.patch.dict(harness.ENVIRONMENT, {"ONEDNN_MAX_CPU_ISA": "SSE41"}):
            self.refused("go on where it was begun")
        self.assertEqual(fingerprint(out), before)
        self.train("refused", "--train.log_every=2", ranks=2)  # this is free as ever


if __name__ == "__main__":
    unittest.main()
