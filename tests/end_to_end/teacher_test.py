# SPDX-License-Identifier: MIT
"""Who a student learns from and starts from, what status.json says, and what bench and inspect print."""
import json
import shutil
import unittest

from harness import KD, LRC, STOPPED, Case, run, status, toml

FINE_TUNED = 'name = "fine"\nform = "dense"\nloss.kd = 0.0\nloss.clone = 0.0'


def nll(model, tokens):
    return json.loads(run("eval", "--model", model, "--tokens", tokens, "--split", "val", "--json").out)["nll"]


class Teacher(Case):
    def train(self, name, students, teacher, **train):
        path = self.folder / f"{name}.toml"
        path.write_text(toml(self.world.tokens, students, teacher, **{"steps": 2, **train}))
        return run("train", path, "--out", self.folder / name)

    def test_a_low_rank_teacher_is_merged(self):
        """Dense and full-rank students of a lifted and of a factored teacher start as that teacher."""
        self.expect(self.train("first", [LRC, KD], self.world.teacher), 0)
        full = 'name = "full"\nform = "lifted"\nrank = 32\nembedding_rank = 32'
        for student in ("lrc", "kd"):
            teacher = f"{self.folder}/first:{student}"
            out = f"second-{student}"
            self.expect(self.train(out, [FINE_TUNED, full], teacher), 0)
            expected = nll(teacher, self.world.tokens)
            for name in ("fine", "full"):
                self.assertAlmostEqual(nll(f"{self.folder}/{out}:{name}@0", self.world.tokens), expected,
                                       delta=1e-5, msg=f"{name} of {student}")

    def test_a_teacher_that_changed_is_refused(self):
        teacher = self.folder / "teacher"
        shutil.copytree(self.world.teacher, teacher)
        self.expect(self.train("run", [LRC], teacher), 0)
        before = nll(f"{self.folder}/run:lrc@0", self.world.tokens)
        steps = sorted((teacher / "ckpt").iterdir())
        shutil.copy(steps[0] / "state.h5", next((teacher / "best").iterdir()))
        changed = run("eval", "--model", f"{self.folder}/run:lrc@0", "--tokens", self.world.tokens, "--split", "val")
        self.expect(changed, 65)
        self.assertIn("have changed since", changed.err)
        again = self.train("run", [LRC], teacher)
        self.expect(again, 64)
        self.assertIn("weights of the teacher", again.err)
        shutil.rmtree(teacher)
        shutil.copytree(self.world.teacher, teacher)
        self.assertEqual(nll(f"{self.folder}/run:lrc@0", self.world.tokens), before)

    def test_start(self):
        self.expect(self.train("first", [LRC], self.world.teacher), 0)
        started = LRC + f'\nstart = "{self.folder}/first:lrc@2"'
        self.expect(self.train("second", [started], self.world.teacher), 0)
        self.assertEqual(nll(f"{self.folder}/second:lrc@0", self.world.tokens),
                         nll(f"{self.folder}/first:lrc@2", self.world.tokens))
        other = self.train("third", [started], f"{self.folder}/first:lrc@2")
        self.expect(other, 64)
        self.assertIn("lifted from another teacher", other.err)
        wrong = self.train("fourth", [started.replace("rank = 8", "rank = 7", 1)], self.world.teacher)
        self.expect(wrong, 64)
        self.assertIn("another form, rank or size", wrong.err)

    def test_a_last_slash_is_the_same_path(self):
        self.expect(self.train("run", [LRC], self.world.teacher), 0)
        path = self.folder / "run.toml"
        again = run("train", path, "--out", f"{self.folder}/run/", "--teacher.model", f"{self.world.teacher}/",
                    "--data.tokens", f"{self.world.tokens}/")
        self.expect(again, 0)
        self.assertIn("complete", again.err)

    def test_settings_are_compared_with_the_checkpoint(self):
        self.expect(self.train("run", [LRC], self.world.teacher), 0)
        (self.folder / "run/run.toml").unlink()
        path = self.folder / "run.toml"
        changed = run("train", path, "--out", self.folder / "run", "--student.optim.lr", "0.5")
        self.expect(changed, 64)
        self.assertIn("lr", changed.err)
        self.expect(run("train", path, "--out", self.folder / "run", "--resume", "never"), 73)


class Status(Case):
    def test_no_steps_is_done(self):
        config = self.config([LRC], steps=0)
        self.expect(run("train", config, "--out", self.folder / "run"), 0)
        self.assertEqual(status(self.folder / "run")["state"], "done")

    def test_a_stop_says_why(self):
        config = self.config([LRC], steps=100000)
        out = self.folder / "run"
        self.expect(run("train", config, "--out", out, "--max-time", "2s"), STOPPED)
        found = status(out)
        self.assertEqual((found["state"], found["code"], found["reason"]), ("stopped", 75, "max_time"))
        self.assertEqual(found["step"], found["last_checkpoint"])

    def test_a_finished_run_that_could_not_say_so(self):
        """Killed between the last checkpoint and the last line of status.json."""
        config = self.config([LRC], steps=1)
        out = self.folder / "run"
        self.expect(run("train", config, "--out", out), 0)
        (out / "status.json").write_text(json.dumps({**status(out), "state": "running"}))
        self.expect(run("train", config, "--out", out), 0)
        self.assertEqual(status(out)["state"], "done")


class Printed(Case):
    def test_bench(self):
        result = self.expect(run("bench", "--config", "tiny", "--rank", "4,8", "--context", "64", "--steps", "1",
                                 "--json"), 0)
        found = json.loads(result.out)
        for key in ("tokens_per_s", "gflop_per_s", "gemm_fraction", "peak_rss_bytes"):
            self.assertGreater(found[key], 0, key)
        self.assertLess(found["gemm_fraction"], 1)
        self.assertEqual(found["rank"], [4, 8])
        self.assertAlmostEqual(found["tokens_per_s"] * found["seconds_per_step"], 2 * 64, delta=1e-6)
        total = sum(found["phases"].values())
        self.assertLess(abs(total - found["seconds_per_step"]), 0.5 * found["seconds_per_step"])

    def test_inspect_a_file(self):
        shard = self.world.tokens / "train-00000.h5"
        found = json.loads(self.expect(run("inspect", shard, "--json"), 0).out)
        tokens = next(item for item in found["children"] if item["name"] == "/tokens")
        self.assertEqual(tokens["shape"], [found["attributes"]["n_tokens"]])
        self.assertEqual(tokens["range"]["max"], found["attributes"]["max_id"])
        self.assertIn("/doc_offsets", self.expect(run("inspect", shard), 0).out)

    def test_inspect_a_run(self):
        found = json.loads(self.expect(run("inspect", self.world.uninterrupted, "--json"), 0).out)
        self.assertEqual(found["status"]["state"], "done")
        self.assertEqual(found["last_metrics"]["train"]["step"], 400)
        self.assertTrue(found["checkpoints"])


if __name__ == "__main__":
    unittest.main()
