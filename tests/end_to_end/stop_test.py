# SPDX-License-Identifier: MIT
"""Stop and continue: wherever two ranks were stopped, the same command ends with the same bits."""
import os
import shutil
import signal
import unittest

import h5py
from harness import (LRC, RELATIVE, SGD, STOPPED, Case, Running, fingerprint, logged_step, manifest, run,
                     same_run, status)

STEPS = 400  # of the world's uninterrupted run
EARLY = 20   # stopped once so many steps are done


class Stop(Case):
    """Stopped in each of the ways, then continued."""

    def start(self, *more):
        out = self.folder / "run"
        self.out = out
        return Running("train", self.world.continued, "--out", out, *more, ranks=2)

    def start_and_reach(self, step, *more):
        running = self.start(*more)
        running.wait_until(lambda: logged_step(self.out) >= step, f"step {step}")
        return running

    def stopped(self, result, reason):
        self.expect(result, STOPPED)
        self.assertEqual(result.sentences(), [], result)
        self.assertIn(reason, result.err)
        at = status(self.out)
        self.assertEqual((at["state"], at["code"]), ("stopped", STOPPED))
        self.assertLess(at["step"], STEPS, "it stopped too late to prove anything")
        self.assertEqual(at["last_checkpoint"], at["step"])
        manifest(self.out, at["step"])
        self.assertFalse((self.out / ".lock").exists())
        return at["step"]

    def continued(self):
        self.expect(self.start().wait(), 0)
        self.assertEqual(status(self.out)["state"], "done")
        same_run(self, self.out, self.world.uninterrupted, STEPS)

    def test_sigusr1_to_the_launcher(self):
        running = self.start_and_reach(EARLY)
        running.process.send_signal(signal.SIGUSR1)  # which hands it to all ranks
        self.stopped(running.wait(), "SIGUSR1")
        self.continued()

    def test_sigusr1_to_one_rank(self):
        running = self.start_and_reach(EARLY)
        os.kill(running.pids()[1], signal.SIGUSR1)
        self.stopped(running.wait(), "SIGUSR1")
        self.continued()

    def test_sigterm(self):
        running = self.start_and_reach(EARLY)
        for pid in running.pids():  # as a batch system sends it
            os.kill(pid, signal.SIGTERM)
        self.stopped(running.wait(), "SIGTERM")
        self.continued()

    def test_sigterm_to_the_launcher(self):
        running = self.start_and_reach(EARLY)
        running.process.send_signal(signal.SIGTERM)
        running.wait()  # its code is the launcher's affair, and it gives the ranks one second
        self.continued()

    def test_sigint(self):
        running = self.start_and_reach(EARLY)
        for pid in running.pids():
            os.kill(pid, signal.SIGINT)
        self.stopped(running.wait(), "SIGINT")
        self.continued()

    def test_max_time(self):
        self.stopped(self.start("--max-time", "0.9").wait(), "max_time")
        self.continued()

    def test_file_stop(self):
        running = self.start_and_reach(EARLY)
        (self.out / "STOP").touch()
        self.stopped(running.wait(), "STOP")
        self.assertFalse((self.out / "STOP").exists(), "obeyed and still there")
        self.continued()

    def test_killed(self):
        running = self.start_and_reach(230)  # behind the checkpoint of step 200
        running.kill()
        self.assertTrue((self.out / ".lock").exists(), "it ended by itself")
        self.assertLess(logged_step(self.out), STEPS)
        self.continued()

    def test_killed_three_times(self):
        """… and stopped once, so that checkpoints lie at steps of their own."""
        self.start_and_reach(1).kill()
        running = self.start_and_reach(40)
        (self.out / "STOP").touch()
        step = self.stopped(running.wait(), "STOP")
        self.start_and_reach(step + 3).kill()
        self.start_and_reach(310).kill()
        self.continued()

    def test_checkpoint_now(self):
        running = self.start_and_reach(EARLY)
        (self.out / "CHECKPOINT_NOW").touch()
        running.wait_until(lambda: not (self.out / "CHECKPOINT_NOW").exists(), "obedience")
        more = lambda: [p.name for p in self.out.glob("ckpt/step-*") if int(p.name[5:]) % 100 != 0]
        running.wait_until(more, "checkpoint")
        self.expect(running.wait(), 0)
        self.assertEqual(status(self.out)["state"], "done")
        same_run(self, self.out, self.world.uninterrupted, STEPS)


class Epoch(Case):
    def test_stopped_at_each_end_of_an_epoch(self):
        """Each step is an epoch. STOP is obeyed after the first step."""
        with h5py.File(self.world.tokens / "train-00000.h5", "r") as file:  # the limit takes documents
            limit, windows = next((end, (end - 1) // 32) for end in map(int, file["doc_offsets"][1:])
                                  if end > 512 and (end - 1) // 32 % 4 == 0)
        config = self.config([RELATIVE, SGD], steps=6, eval_every=4, checkpoint_every=4,
                             global_batch=windows)
        config.write_text(config.read_text().replace("[teacher]", f"limit_tokens = {limit}\n[teacher]"))
        whole, parts = self.folder / "whole", self.folder / "parts"
        self.expect(run("train", config, "--out", whole, ranks=2), 0)
        parts.mkdir()
        for step in range(1, 6):
            (parts / "STOP").touch()
            self.expect(run("train", config, "--out", parts, ranks=2), STOPPED)
            self.assertEqual(status(parts)["step"], step)
        self.expect(run("train", config, "--out", parts, ranks=2), 0)
        same_run(self, parts, whole, 6)


class Resume(Case):
    """What else the same command, or nearly the same, does to a run that is there."""

    def setUp(self):
        super().setUp()
        self.settings = self.config([LRC, SGD], steps=8, checkpoint_every=2, eval_every=4, keep=3)
        self.out = self.folder / "run"
        self.expect(run("train", self.settings, "--out", self.out), 0)

    def unfinished(self):
        """A run that stands at step 1."""
        out = self.folder / "unfinished"
        out.mkdir()
        (out / "STOP").touch()
        self.expect(run("train", self.settings, "--out", out), STOPPED)
        return out

    def refused(self, out, words, *more):
        before = fingerprint(out)
        result = self.expect(run("train", self.settings, "--out", out, *more), 64)
        self.assertEqual(len(result.sentences()), 1, result)
        for word in words:
            self.assertIn(word, result.sentences()[0])
        self.assertEqual(fingerprint(out), before)
        self.assertFalse((out / ".lock").exists())

    def test_refuses_other_settings(self):
        for out in (self.out, self.unfinished()):
            self.refused(out, ["optim.lr", "0.003 → 0.001", "--out"], "--optim.lr=0.001")
            self.refused(out, ["run.seed", "1 → 2"], "--seed", "2")
            self.refused(out, ["train.steps", "8 → 9"], "--train.steps=9")
            self.refused(out, ["student.lrc.rank", "8 → 7"], "--student.lrc.rank=7")

    def test_refuses_other_tokens(self):
        tokens = self.folder / "tokens"
        text = self.folder / "text.txt"
        text.write_text(self.world.text.read_text().replace("ba", "be"))
        self.expect(run("prepare", "--text", text, "--tokenizer", self.world.tokens / "tokenizer", "--out", tokens,
                        "--val", "0.05"), 0)
        for out in (self.out, self.unfinished()):
            self.refused(out, ["data.tokens", str(self.world.tokens), str(tokens)],
                         f"--data.tokens={tokens}")
        # The same folder, with other tokens in it.
        mine = self.folder / "mine"
        shutil.copytree(self.world.tokens, mine)
        self.settings.write_text(self.settings.read_text().replace(str(self.world.tokens), str(mine)))
        out = self.folder / "other"
        out.mkdir()
        (out / "STOP").touch()
        self.expect(run("train", self.settings, "--out", out), STOPPED)
        shutil.rmtree(mine)
        shutil.copytree(tokens, mine)
        self.refused(out, ["data.tokens", " → ", "--out"])

    def test_free_settings_may_change(self):
        out = self.unfinished()
        self.expect(run("train", self.settings, "--out", out, "--train.checkpoint_every=3",
                        "--train.keep=1", ranks=2), 0)
        self.assertEqual(sorted(p.name for p in out.glob("ckpt/step-*")),
                         ["step-00000000", "step-00000008"])

    def test_finished(self):
        before = fingerprint(self.out)
        times = {p: p.stat().st_mtime_ns for p in self.out.rglob("*") if p.is_file()}
        for ranks in (None, 2):
            result = self.expect(run("train", self.settings, "--out", self.out, ranks=ranks), 0)
            self.assertIn("complete", result.err)
            self.assertEqual(fingerprint(self.out), before)
            self.assertEqual({p: p.stat().st_mtime_ns for p in self.out.rglob("*") if p.is_file()}, times)

    def test_keeps(self):
        """Step 0, the newest `keep`, and the best of each student."""
        self.assertEqual(sorted(p.name for p in (self.out / "ckpt").iterdir()),
                         [f"step-{step:08}" for step in (0, 4, 6, 8)])
        self.assertEqual((self.out / "latest").read_text(), "ckpt/step-00000008\n")
        self.assertEqual(sorted(p.name for p in (self.out / "best").iterdir()), ["lrc.h5", "sgd.h5"])

    def test_resume_never(self):
        before = fingerprint(self.out)
        result = self.expect(run("train", self.settings, "--out", self.out, "--resume", "never"), 73)
        self.assertIn("choose another --out", result.sentences()[0])
        self.assertEqual(fingerprint(self.out), before)


if __name__ == "__main__":
    unittest.main()
