# SPDX-License-Identifier: MIT
"""Bad input: the exit code of the table, one sentence with place and remedy, all ranks end soon, and
nothing that was there is lost."""
import os
import shutil
import signal
import subprocess
import unittest

import h5py
from harness import (DENSE, LRC, LRD, SGD, STOPPED, Case, Running, fingerprint, logged_step, manifest, run,
                     run_well, same_run, status, toml)

USAGE, BAD_DATA, MISSING, BUSY, IO = 64, 65, 66, 73, 74
SOON = 10  # seconds


class Refusals(Case):
    def setUp(self):
        super().setUp()
        self.out = self.folder / "out"

    def refused(self, code, words, *args, ranks=2, prefix=()):
        before = fingerprint(self.folder), fingerprint(self.world.tokens), fingerprint(self.world.teacher)
        result = self.expect(run(*args, ranks=ranks, cwd=self.folder, prefix=prefix), code)
        self.assertLess(result.seconds, SOON, result)
        said = result.sentences()
        self.assertEqual(len(said), 1, result)
        for word in words:
            self.assertIn(word, said[0])
        after = fingerprint(self.folder), fingerprint(self.world.tokens), fingerprint(self.world.teacher)
        for old, new in zip(before, after):
            self.assertEqual(old, {name: new.get(name) for name in old})
        return result

    def refused_run(self, code, words, *more, students=(LRC,), ranks=2, **train):
        config = self.config(students, **{"steps": 2, **train})
        return self.refused(code, words, "train", config, "--out", self.out, *more, ranks=ranks)

    def edited(self, old, new):
        """A configuration in which one text stands for another."""
        config = self.config([LRC], steps=2)
        self.assertIn(old, config.read_text())
        config.write_text(config.read_text().replace(old, new, 1))
        return config

    def broken_tokens(self, damage, split="train"):
        tokens = self.folder / "tokens"
        shutil.copytree(self.world.tokens, tokens)
        damage(tokens / f"{split}-00000.h5")
        return f"--data.tokens={tokens}"

    # ------------------------------------------------------------ the command line and the file

    def test_no_configuration(self):
        self.refused(MISSING, ["nowhere.toml"], "train", "nowhere.toml", "--out", self.out)

    def test_unknown_key(self):
        config = self.edited("checkpoint_every", "checkpoint_evry")
        self.refused(USAGE, ["run.toml:", "checkpoint_evry", "did you mean", "checkpoint_every?"],
                     "train", config, "--out", self.out)

    def test_unknown_section(self):
        config = self.edited("[teacher]", "[techer]")
        self.refused(USAGE, ["run.toml:", "techer", "did you mean", "teacher"], "train", config,
                     "--out", self.out)

    def test_wrong_type(self):
        config = self.edited("steps = 2", 'steps = "many"')
        self.refused(USAGE, ["run.toml:", "train.steps", "many"], "train", config, "--out", self.out)

    def test_broken_toml(self):
        config = self.edited("[train]", "[train")
        self.refused(USAGE, ["run.toml:"], "train", config, "--out", self.out)

    def test_unknown_flag(self):
        self.refused_run(USAGE, ["optim.lrr", "did you mean", "optim.lr"], "--optim.lrr=1")

    def test_unknown_command(self):
        self.refused(USAGE, ["trian", "did you mean train?"], "trian")

    def test_rank_0(self):
        self.refused_run(USAGE, ["rank", "0", "run.toml:"], students=[LRC.replace("rank = 8", "rank = 0", 1)])

    def test_rank_above_the_matrix(self):
        self.refused_run(USAGE, ["rank", "33", "32"], students=[LRC.replace("rank = 8", "rank = 33", 1)])

    def test_embedding_rank_above_the_matrix(self):
        self.refused_run(USAGE, ["embedding_rank", "33", "32"],
                         students=[LRC.replace("embedding_rank = 8", "embedding_rank = 33")])

    def test_lifted_without_a_teacher(self):
        config = self.config([LRC], teacher=False, steps=2)
        self.refused(USAGE, ["lrc", "needs a teacher", "set teacher.model"], "train", config,
                     "--out", self.out)

    def test_a_rank_without_work(self):
        self.refused_run(USAGE, ["train.global_batch", "2 micro-batches", "4 ranks", "fewer ranks"],
                         global_batch=8, ranks=4)

    def test_less_than_a_window(self):
        self.refused_run(USAGE, ["limit_tokens", "whole documents", "10"], "--data.limit_tokens=10")

    def test_document_mask_of_one_token(self):
        self.refused_run(USAGE, ["data.document_mask", "data.context = 1"], "--data.document_mask=true",
                         "--data.context=1")

    # ------------------------------------------------------------ tokens and teacher

    def test_no_tokens(self):
        self.refused_run(MISSING, ["nowhere", "lrd prepare"], f"--data.tokens={self.folder}/nowhere")

    def test_no_split(self):
        self.refused_run(MISSING, ["\"trian\"", "test, train, val"], "--data.split=trian")

    def test_no_teacher(self):
        self.refused_run(MISSING, ["nowhere"], f"--teacher.model={self.folder}/nowhere")

    def test_other_vocabulary(self):
        tokens = self.folder / "tokens"
        self.expect(run("prepare", "--text", self.world.text, "--tokenizer", "train:280", "--out", tokens), 0)
        self.refused_run(BAD_DATA, ["300", "280", str(tokens), str(self.world.teacher), "tokenizer"],
                         f"--data.tokens={tokens}")

    def test_context_longer_than_the_teacher(self):
        self.refused_run(BAD_DATA, ["data.context = 64", "32 positions"], "--data.context=64")

    def test_token_out_of_range_where_one_rank_reads(self):
        """Windows 8 to 15 of the first step are rank 1's: it alone sees the wrong id and throws."""
        def damage(shard):
            with h5py.File(shard, "r+") as file:
                file["tokens"][8 * 32 + 7] = 999
        result = self.refused_run(BAD_DATA, ["rank 1", "train-00000.h5", "999", "263", "[0, 300)", "lrd prepare"],
                                  "--train.shuffle=false", self.broken_tokens(damage))
        at = status(self.out)
        self.assertEqual((at["state"], at["code"], at["first_failing_rank"]), ("failed", BAD_DATA, 1), result)

    def test_truncated_shard(self):
        def damage(shard):
            os.truncate(shard, shard.stat().st_size // 2)
        self.refused_run(BAD_DATA, ["train-00000.h5"], self.broken_tokens(damage))

    def test_shard_that_is_no_hdf5(self):
        self.refused_run(BAD_DATA, ["val-00000.h5"],
                         self.broken_tokens(lambda shard: shard.write_text("text\n"), "val"))

    def test_newer_format(self):
        def damage(shard):
            with h5py.File(shard, "r+") as file:
                file.attrs["format_version"] = file.attrs["format_version"] + 1
        self.refused_run(BAD_DATA, ["train-00000.h5", "format_version", "newer lrd"],
                         self.broken_tokens(damage))

    # ------------------------------------------------------------ the run directory

    def test_busy(self):
        running = Running("train", self.world.continued, "--out", self.out, ranks=2)
        running.wait_until(lambda: logged_step(self.out) >= 1, "step 1")
        result = self.expect(run("train", self.world.continued, "--out", self.out, ranks=2), BUSY)
        self.assertLess(result.seconds, SOON)
        self.assertEqual(len(result.sentences()), 1, result)
        for word in (str(self.out), str(running.pids()[0]), "another --out"):
            self.assertIn(word, result.sentences()[0])
        self.expect(running.wait(), 0)  # undisturbed
        same_run(self, self.out, self.world.uninterrupted, 400)

    def test_resume_must_without_checkpoint(self):
        self.refused_run(MISSING, ["run.resume", "no checkpoint", str(self.out)], "--resume", "must")

    def test_output_is_a_file(self):
        self.out.write_text("mine")
        self.refused_run(IO, [str(self.out)])

    def test_damaged_newest_checkpoint(self):
        """A warning with both names, and on from the one before."""
        config = self.config([LRC, SGD], steps=8, checkpoint_every=2)
        whole = self.folder / "whole"
        self.expect(run("train", config, "--out", whole), 0)
        shutil.copytree(whole, self.out)
        state = self.out / "ckpt/step-00000008/state.h5"
        data = bytearray(state.read_bytes())
        data[len(data) // 2] ^= 1
        state.write_bytes(data)
        result = self.expect(run("train", config, "--out", self.out), 0)
        self.assertEqual(len(result.warnings()), 1, result)
        for word in ("step-00000008", "step-00000006", "SHA-256"):
            self.assertIn(word, result.warnings()[0])
        same_run(self, self.out, whole, 8)

    def test_newer_checkpoint(self):
        config = self.config([LRC], steps=4, checkpoint_every=2)
        self.expect(run("train", config, "--out", self.out), 0)
        path = self.out / "ckpt/step-00000004/manifest.json"
        path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 2'))
        self.refused(BAD_DATA, ["step-00000004", "format_version 2 is newer"], "train", config,
                     "--out", self.out)

    def test_no_space_left(self):
        """On a disk of 6 MB. What was saved before is whole, and with room the run goes on."""
        small, kept = self.folder / "small", self.folder / "kept"
        small.mkdir()
        if subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", small], capture_output=True).returncode:
            self.skipTest("no right to mount a small disk")
        config = self.config([DENSE], steps=40, checkpoint_every=1, keep=40, eval_every=0)
        script = 'mount -t tmpfs -o size=6m none "$0"; "$@"; code=$?; cp -a "$0/run" "${0%small}kept"; exit $code'
        result = self.expect(run("train", config, "--out", small / "run",
                                 prefix=["unshare", "-m", "sh", "-c", script, small]), IO)
        self.assertEqual(len(result.sentences()), 1, result)
        self.assertIn(str(small), result.sentences()[0])
        self.assertIn("free", result.sentences()[0])
        newest = max(int(p.name[5:]) for p in kept.glob("ckpt/step-*"))
        self.assertGreater(newest, 0)
        self.assertLess(newest, 40)
        self.assertEqual((kept / "latest").read_text(), f"ckpt/step-{newest:08}\n")
        again = self.expect(run("train", config, "--out", kept), 0)
        self.assertEqual(again.warnings(), [])
        whole = self.folder / "whole"
        self.expect(run("train", config, "--out", whole), 0)
        same_run(self, kept, whole, 40)

    def test_a_rank_dies(self):
        running = Running("train", self.world.continued, "--out", self.out, ranks=2)
        running.wait_until(lambda: logged_step(self.out) >= 120, "step 120")
        os.kill(running.pids()[1], signal.SIGKILL)
        result = running.wait(SOON)
        self.assertNotIn(result.code, (0, STOPPED))
        manifest(self.out, 100)
        self.expect(run("train", self.world.continued, "--out", self.out, ranks=2), 0)
        same_run(self, self.out, self.world.uninterrupted, 400)

    # ------------------------------------------------------------ eval

    def eval(self, code, words, model, *more):
        self.refused(code, words, "eval", "--model", model, "--tokens", self.world.tokens, *more)

    def test_eval_unknown_student(self):
        self.eval(MISSING, ["no student lrc", "rel, sgd"], f"{self.world.uninterrupted}:lrc")

    def test_eval_which_student(self):
        self.eval(USAGE, ["several students", "rel, sgd"], self.world.uninterrupted)

    def test_eval_unknown_step(self):
        self.eval(MISSING, ["step 5", "0, 200, 300, 400"], f"{self.world.uninterrupted}:rel@5")

    def test_eval_stride_longer_than_the_context(self):
        self.eval(USAGE, ["--stride 33", "32"], self.world.teacher, "--stride", "33")

    def test_eval_no_split(self):
        self.eval(MISSING, ["\"trian\"", "test, train, val"], self.world.teacher, "--split", "trian")

    def test_eval_a_split_twice(self):
        self.eval(USAGE, ["--split val", "twice"], self.world.teacher, "--split", "val", "--split", "val")

    def test_eval_context_longer_than_the_positions(self):
        self.eval(USAGE, ["--context 33", "32 positions"], self.world.teacher, "--context", "33")

    def test_eval_documents_are_there(self):
        (self.folder / "scores.h5").write_text("mine")
        self.eval(BUSY, ["scores.h5", "is there"], self.world.teacher, "--per-document", "scores.h5")

    def test_eval_documents_nowhere(self):
        self.eval(IO, ["nowhere/scores.h5"], self.world.teacher, "--per-document", "nowhere/scores.h5")

    def test_eval_teacher_of_another_vocabulary(self):
        tokens, teacher = self.folder / "tokens", self.folder / "teacher"
        self.expect(run("prepare", "--text", self.world.text, "--tokenizer", "train:280", "--out", tokens), 0)
        config = self.folder / "teacher.toml"
        config.write_text(toml(tokens, [DENSE], steps=1))
        self.expect(run("train", config, "--out", teacher), 0)
        self.eval(BAD_DATA, [str(teacher), "280", "300", "tokenizer"], self.world.teacher, "--teacher", teacher)

    def test_tokens_of_another_tokenizer(self):
        text = self.folder / "other.txt"
        text.write_text(self.world.text.read_text().translate(str.maketrans("aeiou", "uoiea")))
        tokens = self.folder / "other"
        run_well("prepare", "--text", text, "--tokenizer", "train:300", "--out", tokens, "--test", "0.1")
        self.refused(BAD_DATA, ["another tokenizer", str(tokens), "--tokenizer"], "eval", "--model", self.world.teacher,
                     "--tokens", tokens)
        self.refused_run(BAD_DATA, ["another tokenizer", str(tokens)], f"--data.tokens={tokens}")

    def test_a_full_disk_behind_standard_output(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([LRD, "inspect", self.world.teacher], stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, IO, done.stderr)
        self.assertIn("lrd: ", done.stderr)

    def test_what_is_no_model_is_not_overwritten(self):
        mine = self.folder / "mine.h5"
        mine.write_text("no model")
        self.refused(BUSY, ["mine.h5", "no model file"], "export", "--model", self.world.teacher, "--as", "h5", "--out",
                     mine, "--overwrite", ranks=None)

    def test_eval_nothing_there(self):
        self.eval(MISSING, ["nowhere", "RUN:student"], self.folder / "nowhere")

    # ------------------------------------------------------------ prepare

    def prepare(self, code, words, text, *more, tokenizer="train:300"):
        self.refused(code, words, "prepare", "--text", text, "--tokenizer", tokenizer, "--out", self.out,
                     *more, ranks=None)
        leftovers = [p.name for p in self.folder.iterdir() if p.name.startswith(".")]
        self.assertEqual(leftovers, [])

    def test_prepare_empty_text(self):
        text = self.folder / "empty.txt"
        text.touch()
        self.prepare(BAD_DATA, ["empty.txt"], text)
        self.assertFalse(self.out.exists())

    def test_prepare_no_text(self):
        self.prepare(MISSING, ["nowhere.txt"], self.folder / "nowhere.txt")

    def test_prepare_fraction(self):
        self.prepare(USAGE, ["val", "1.5"], self.world.text, "--val", "1.5")

    def test_prepare_output_exists(self):
        shutil.copytree(self.world.tokens, self.out)
        self.prepare(BUSY, [str(self.out), "--overwrite"], self.world.text)

    def test_prepare_output_of_others(self):
        self.out.mkdir()
        (self.out / "thesis.tex").write_text("all of it")
        self.prepare(BUSY, ["thesis.tex"], self.world.text, "--overwrite")

    def test_prepare_vocabulary_too_small(self):
        self.prepare(USAGE, ["100", "257"], self.world.text, tokenizer="train:100")


if __name__ == "__main__":
    unittest.main()
