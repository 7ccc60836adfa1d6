# SPDX-License-Identifier: MIT
"""Training from scratch: dropout, whose masks belong to samples and not to ranks, and early stopping."""
import os
import shutil
import signal
import unittest

import h5py
import json
import numpy as np
from harness import DENSE, LRC, STOPPED, Case, Running, columns, fingerprint, logged_step, run, same_run, status


class Dropout(Case):
    def train(self, name, *more, ranks=None, **train):
        config = self.config([DENSE], name + ".toml", teacher=False, **{"steps": 30, **train})
        out = self.folder / name
        self.expect(run("train", config, "--out", out, "--model.dropout=0.2", *more, ranks=ranks), 0)
        return out

    def test_ranks_and_micro_batches_see_the_same_masks(self):
        loss = columns(one := self.train("one"))["students/teacher/train/loss"]
        for name, ranks, micro_batch in (("two", 2, 4), ("three", 3, 2), ("large", None, 16)):
            other = columns(self.train(name, ranks=ranks, micro_batch=micro_batch))
            np.testing.assert_allclose(other["students/teacher/train/loss"], loss, rtol=1e-5)
        without = columns(self.train("without", "--model.dropout=0"))["students/teacher/train/loss"]
        self.assertGreater(np.abs(without - loss).max(), 1e-2)
        self.assertLess(loss[-1], 0.9 * loss[0])
        self.assertTrue(np.isfinite(columns(one)["students/teacher/val/loss"]).all())

    def test_a_continued_run_has_the_same_bits(self):
        whole = self.train("whole", steps=300, ranks=2)
        config = self.folder / "whole.toml"
        args = ("train", config, "--out", self.folder / "part", "--model.dropout=0.2")
        running = Running(*args, ranks=2)
        running.wait_until(lambda: logged_step(self.folder / "part") >= 5, "step 5")
        os.kill(running.pids()[0], signal.SIGUSR1)
        self.expect(running.wait(), STOPPED)
        self.assertLess(status(self.folder / "part")["step"], 300)
        self.expect(run(*args, ranks=2), 0)
        same_run(self, self.folder / "part", whole, 300)

    def test_evaluation_drops_nothing(self):
        """The loss that training reports for its best model is the one that eval finds."""
        out = self.train("run")
        values = columns(out)["students/teacher/val/loss"]
        result = self.expect(run("eval", "--model", f"{out}:teacher@last", "--tokens", self.world.tokens,
                                 "--split", "val", "--json"), 0)
        self.assertAlmostEqual(json.loads(result.out)["nll"], values[-1], delta=1e-5)

    def test_only_where_no_teacher_is_heard(self):
        for student in (LRC, DENSE.replace("loss.kd = 0.0", "loss.kd = 0.5")):
            config = self.config([student])
            result = self.expect(run("train", config, "--out", self.folder / "out", "--model.dropout=0.1"), 64)
            self.assertEqual(len(result.sentences()), 1, result)
            self.assertIn("model.dropout = 0.1", result.sentences()[0])
            self.assertIn("tokens alone", result.sentences()[0])
        result = run("train", self.config([DENSE], teacher=False), "--model.dropout=1")
        self.assertIn("model.dropout", self.expect(result, 64).sentences()[0])


class Patience(Case):
    """A model that learns two dozen windows by heart gets worse on the others."""
    OPTIONS = ("--data.limit_tokens=800", "--optim.lr=0.02", "--optim.schedule=constant")

    def config_of(self, **train):
        settings = {"steps": 400, "eval_every": 5, "checkpoint_every": 5, "keep": 100, "patience": 3, **train}
        return self.config([DENSE], teacher=False, **settings)

    def state(self, out, step):
        with h5py.File(out / f"ckpt/step-{step:08}/state.h5", "r") as file:
            return json.loads(file.attrs["state"])

    def test_ends_after_evaluations_without_a_better_one(self):
        config, out = self.config_of(), self.folder / "out"
        result = self.expect(run("train", config, "--out", out, *self.OPTIONS, ranks=2), 0)
        self.assertIn("no student got better in the last 3 evaluations", result.err)
        at = status(out)
        self.assertEqual((at["state"], at["code"], at["reason"]), ("done", 0, "patience"))
        self.assertLess(at["step"], 400)
        val = columns(out)["students/teacher/val/loss"]
        steps = columns(out)["students/teacher/val/step"]
        self.assertEqual(len(val) - 1 - val.argmin(), 3)
        self.assertEqual(steps[-1], at["step"])
        with h5py.File(out / "best/teacher.h5", "r") as file:
            self.assertEqual(json.loads(file.attrs["state"])["step"], steps[val.argmin()])

        # What is done stays done, also for one rank; more patience goes on.
        before = fingerprint(out)
        self.assertIn("is complete", self.expect(run("train", config, "--out", out, *self.OPTIONS), 0).err)
        self.assertEqual(fingerprint(out), before)
        self.expect(run("train", config, "--out", out, *self.OPTIONS, "--train.patience=5"), 0)
        self.assertEqual(status(out)["step"], at["step"] + 10)

    def test_survives_a_restart(self):
        config, whole, part = self.config_of(), self.folder / "whole", self.folder / "part"
        self.expect(run("train", config, "--out", whole, *self.OPTIONS), 0)
        end = status(whole)["step"]
        self.assertEqual(self.state(whole, end)["stale"], 3)
        shutil.copytree(whole, part)
        for step in (end - 5, end):  # as if it had been killed two evaluations before the end
            shutil.rmtree(part / f"ckpt/step-{step:08}")
        self.assertEqual(self.state(part, end - 10)["stale"], 1)
        self.expect(run("train", config, "--out", part, *self.OPTIONS), 0)
        same_run(self, part, whole, end)

    def test_without_evaluations_it_is_refused(self):
        for more, word in ((("--train.eval_every=0",), "train.eval_every"),
                           (("--data.tokens=" + str(self.without_val()),), "data.eval")):
            result = self.expect(run("train", self.config_of(), "--out", self.folder / "out", *more, ranks=2), 64)
            self.assertEqual(len(result.sentences()), 1, result)
            self.assertIn("train.patience = 3", result.sentences()[0])
            self.assertIn(word, result.sentences()[0])

    def without_val(self):
        tokens = self.folder / "tokens"
        if not tokens.exists():
            shutil.copytree(self.world.tokens, tokens)
            for shard in tokens.glob("val-*.h5"):
                shard.unlink()
        return tokens


if __name__ == "__main__":
    unittest.main()
