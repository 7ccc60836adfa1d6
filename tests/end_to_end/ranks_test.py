# SPDX-License-Identifier: MIT
"""What the number of ranks and the company of other students may change: nothing but the last bits."""
import unittest

import numpy as np
from harness import DENSE, KD, LRC, RELATIVE, SGD, Case, columns, fingerprint, run, same_run

STEPS = 50
STUDENTS = {"lrc": LRC, "rel": RELATIVE, "kd": KD, "sgd": SGD}


class Ranks(Case):
    def train(self, name, students=STUDENTS.values(), ranks=None, **train):
        # A calm rate: steps that overshoot blow every rounding up.
        config = self.config(students, name + ".toml", loose="[optim]\nlr = 1e-3", steps=STEPS,
                             eval_every=25, checkpoint_every=STEPS, **train)
        out = self.folder / name
        self.expect(run("train", config, "--out", out, ranks=ranks), 0)
        return out

    def same_losses(self, one, other, tolerance, students=STUDENTS):
        a, b = columns(one), columns(other)
        for student in students:
            for split, rows in (("train", STEPS), ("val", 2), ("train_tap", STEPS), ("val_tap", 2)):
                group = f"students/{student}/{split}/"
                names = [name for name in a if name.startswith(group)]
                self.assertTrue(names)
                cloned = student in ("lrc", "rel")
                self.assertEqual(len(a[group + "step"]), rows if cloned or "tap" not in split else 0)
                for name in names:
                    # Norms and single taps feel the rounding of single weights, which steps amplify.
                    loose = name.endswith(("grad_norm", "loss_clone_tap"))
                    bound = 100 * tolerance if loose else tolerance
                    np.testing.assert_allclose(a[name], b[name], rtol=bound, atol=0, err_msg=name)
        self.assertTrue(np.isfinite(a["students/lrc/train/loss"]).all())
        self.assertLess(a["students/lrc/train/loss"][-1], a["students/lrc/train/loss"][0])

    def test_1_2_and_4_ranks(self):
        one = self.train("one")
        self.same_losses(one, self.train("two", ranks=2), 1e-5)
        self.same_losses(one, self.train("four", ranks=4), 1e-5)

    def test_16_micro_batches_on_3_ranks(self):
        """6, 5 and 5 micro-batches: sums, never means of means."""
        one = self.train("one", micro_batch=1)
        self.same_losses(one, self.train("three", ranks=3, micro_batch=1), 1e-5)
        self.same_losses(one, self.train("larger", micro_batch=8), 1e-5)

    def test_same_ranks_same_bits(self):
        same_run(self, self.train("first", ranks=2), self.train("second", ranks=2), STEPS)

    def test_a_launcher_of_one_rank_changes_no_bit(self):
        same_run(self, self.train("with", ranks=1), self.train("without"), STEPS)

    def test_students_together_and_alone(self):
        together = self.train("together", ranks=2)
        for name, student in STUDENTS.items():
            alone = self.train(f"alone-{name}", [student], ranks=2)
            a, b = columns(together), columns(alone)
            names = [n for n in b if n.startswith("students/")]
            self.assertTrue(names)
            for column in names:
                np.testing.assert_allclose(a[column], b[column], rtol=1e-6, atol=0, err_msg=column)

    def test_from_scratch(self):
        """No teacher: ranks share the work of training one as well."""
        losses = []
        for ranks in (None, 2):
            out = self.folder / f"teacher-{ranks}"
            config = self.config([DENSE], teacher=False, steps=STEPS)
            self.expect(run("train", config, "--out", out, ranks=ranks), 0)
            losses.append(columns(out)["students/teacher/train/loss"])
        np.testing.assert_allclose(*losses, rtol=1e-5)
        self.assertLess(losses[0][-1], 0.9 * losses[0][0])

    def test_the_teacher_is_left_alone(self):
        before = fingerprint(self.world.teacher), fingerprint(self.world.tokens)
        self.train("run", ranks=2)
        self.assertEqual((fingerprint(self.world.teacher), fingerprint(self.world.tokens)), before)


if __name__ == "__main__":
    unittest.main()
