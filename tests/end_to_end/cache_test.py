# SPDX-License-Identifier: MIT
"""The teacher cache: what it may change (nothing beyond rounding), what it survives, what it refuses."""
import os
import shutil
import signal
import subprocess
import unittest

import h5py
import numpy as np
from harness import (ENVIRONMENT, KD, LRC, LRD, MPIEXEC, Case, Running, columns, fingerprint, logged_step, run, same_run)

USAGE, BAD_DATA, MEMORY, BUSY, IO = 64, 65, 71, 73, 74
LIMIT_TOKENS, STEPS = 40 * 32 + 1, 12  # 16 windows a step: the first epoch ends inside step 3
LIMIT = f"--data.limit_tokens={LIMIT_TOKENS}"
WARM = 'name = "warm"\nform = "factored"\nrank = 8\nembedding_rank = 8\nloss.clone = 0.0\nloss.tau = 1.5'


class Cache(Case):
    def setUp(self):
        super().setUp()
        self.cache = self.folder / "cache"
        with h5py.File(self.world.tokens / "train-00000.h5") as file:  # whole documents
            ends = file["doc_offsets"][...]
        self.expected = list(range((ends[ends <= LIMIT_TOKENS].max() - 1) // 32))
        self.assertTrue(32 < len(self.expected) < 48)

    def train(self, name, *more, students=(LRC, KD), ranks=None, code=0, **train):
        settings = {"steps": STEPS, "eval_every": 6, "checkpoint_every": STEPS, **train}
        config = self.config(students, name + ".toml", **settings)
        out = self.folder / name
        result = self.expect(run("train", config, "--out", out, LIMIT, *more, ranks=ranks), code)
        return out if code == 0 else result

    def cached(self, name, *more, **settings):
        return self.train(name, f"--teacher.cache={self.cache}", *more, **settings)

    def fill(self, *more, students=(LRC, KD), ranks=None, code=0):
        config = self.config(students, "fill.toml", steps=STEPS)
        return self.expect(run("cache", config, LIMIT, f"--teacher.cache={self.cache}", *more, ranks=ranks), code)

    def close(self, one, other, tolerance, students=("lrc", "kd")):
        a, b = columns(one), columns(other)
        for student in students:
            for split in ("train", "val"):
                for term in ("loss", "loss_kd", "loss_lm", "loss_clone"):
                    name = f"students/{student}/{split}/{term}"
                    np.testing.assert_allclose(a[name], b[name], rtol=tolerance, atol=0, err_msg=name)
            name = f"students/{student}/train/grad_norm"
            np.testing.assert_allclose(a[name], b[name], rtol=100 * tolerance, err_msg=name)

    def windows(self):
        """The windows of all parts."""
        found = []
        for part in sorted(self.cache.glob("part-*.h5")):
            with h5py.File(part) as file:
                found += file["windows"][...].tolist()
        return found

    def refused(self, code, words, result):
        self.expect(result, code)
        self.assertEqual(len(result.sentences()), 1, result)
        for word in words:
            self.assertIn(word, result.sentences()[0])

    # ------------------------------------------------------------ same as online

    def test_fp32_equals_online_at_1_and_2_ranks(self):
        online = self.train("online")
        fp32 = "--teacher.cache_precision=fp32"
        self.close(self.cached("filling", fp32), online, 1e-5)
        self.assertEqual(sorted(self.windows()), self.expected)
        before = fingerprint(self.cache)
        self.close(self.cached("reading", fp32, ranks=2), online, 1e-5)
        self.close(self.cached("larger", fp32, micro_batch=8), online, 1e-5)
        self.assertEqual(fingerprint(self.cache), before)  # complete: nobody writes

    def test_2_ranks_fill_and_3_read(self):
        online = self.train("online")
        self.close(self.cached("filling", "--teacher.cache_precision=fp32", ranks=2), online, 1e-5)
        self.assertEqual(set(self.windows()), set(self.expected))
        writers = {part.name[:9] for part in self.cache.glob("part-*.h5")}
        self.assertEqual(writers, {"part-0000", "part-0001"})
        self.close(self.cached("reading", "--teacher.cache_precision=fp32", ranks=3), online, 1e-5)

    def test_bf16_differs_by_rounding_alone(self):
        online = self.train("online")
        cached = self.cached("cached")
        self.close(cached, online, 4e-3)
        a, b = columns(online), columns(cached)
        self.assertTrue((a["students/kd/train/loss_kd"] != b["students/kd/train/loss_kd"]).any())

    def test_memory(self):
        fp32 = "--teacher.cache_precision=fp32"
        online = self.train("online", ranks=2)
        self.close(self.train("memory", "--teacher.cache=memory", fp32, ranks=2), online, 1e-5)

    def test_computed_or_read_same_bits(self):
        """From the filling run to one that only reads: every number the same."""
        filling = self.cached("filling")
        same_run(self, self.cached("filling2", f"--teacher.cache={self.folder}/other"), filling, STEPS)
        # Micro-batches of a run are the same windows, filled ahead or not.
        reading = self.cached("reading")
        a, b = columns(filling), columns(reading)
        for name in a:
            np.testing.assert_array_equal(a[name], b[name], name)

    # ------------------------------------------------------------ filling

    def test_filled_ahead(self):
        online = self.train("online")
        self.fill("--teacher.cache_precision=fp32", ranks=2)
        self.assertEqual(sorted(self.windows()), self.expected)
        before = fingerprint(self.cache)
        self.close(self.cached("reading", "--teacher.cache_precision=fp32"), online, 1e-5)
        self.fill("--teacher.cache_precision=fp32")  # nothing to do
        self.assertEqual(fingerprint(self.cache), before)

    def test_resume_in_the_middle_of_filling(self):
        whole = self.cached("whole", checkpoint_every=2)
        shutil.move(self.cache, self.folder / "whole-cache")
        out = self.folder / "cut"
        config = self.config((LRC, KD), "cut.toml", steps=STEPS, eval_every=6, checkpoint_every=2)
        running = Running("train", config, "--out", out, LIMIT, f"--teacher.cache={self.cache}")
        running.wait_until(lambda: logged_step(out) >= 2, "step 2")
        running.kill()
        self.assertTrue((out / "latest").exists())
        self.expect(run("train", config, "--out", out, LIMIT, f"--teacher.cache={self.cache}"), 0)
        same_run(self, out, whole, STEPS)
        self.assertEqual(set(self.windows()), set(self.expected))

    def test_killed_while_filling(self):
        """Whatever lies under a part's name is whole; the rest is computed again."""
        config = self.config((LRC, KD), "fill.toml", steps=STEPS, micro_batch=1)
        args = ("cache", config, f"--teacher.cache={self.cache}")
        running = Running(*args, ranks=2)
        running.wait_until(lambda: list(self.cache.glob(".tmp-part-*")), "a part")
        running.kill()
        self.assertEqual(self.windows(), [])
        self.expect(run(*args, ranks=1), 0)
        self.assertEqual(list(self.cache.glob(".tmp-*")), [])
        windows = self.windows()
        self.assertEqual(sorted(windows), list(range(len(windows))))

    # ------------------------------------------------------------ fewer targets

    def test_layers(self):
        some = self.train("some", "--teacher.cache_clone=1")
        taps = columns(some)["students/lrc/train_tap/loss_clone_tap"].reshape(STEPS, 4)
        self.assertTrue(np.isnan(taps[:, :2]).all() and np.isfinite(taps[:, 2:]).all())
        cached = self.cached("cached", "--teacher.cache_clone=[1]", "--teacher.cache_precision=fp32")
        self.close(cached, some, 1e-5)
        with h5py.File(next(self.cache.glob("part-*.h5"))) as file:
            self.assertEqual(list(file["taps"]), ["1"])
        config = self.config((LRC,), "list.toml", steps=2)
        config.write_text(config.read_text().replace("[teacher]", "[teacher]\ncache_clone = [0, 1]"))
        self.expect(run("train", config, "--out", self.folder / "list"), 0)

    def test_without_clone_targets(self):
        cached = self.cached("cached", "--teacher.cache_precision=fp32", students=(KD,))
        self.close(cached, self.train("online", students=(KD,)), 1e-5, students=("kd",))
        with h5py.File(next(self.cache.glob("part-*.h5"))) as file:
            self.assertEqual(sorted(file), ["hidden", "windows"])

    # ------------------------------------------------------------ top-K

    def test_all_of_top_k_is_exact(self):
        students = (KD, WARM)
        online = self.train("online", students=students)
        top = self.cached("top", "--teacher.cache_topk=300", students=students)
        self.close(top, online, 5e-5, students=("kd", "warm"))
        self.close(self.cached("again", "--teacher.cache_topk=300", students=students, ranks=2), online, 5e-5,
                   students=("kd", "warm"))

    def test_top_k_is_a_lower_bound(self):
        online = self.train("online", students=(KD,), steps=1)
        top = self.cached("top", "--teacher.cache_topk=8", students=(KD,), steps=1)
        name = "students/kd/train/loss_kd"
        exact, bound = columns(online)[name][0], columns(top)[name][0]
        self.assertLess(bound, exact)
        self.assertGreater(bound, 0.1 * exact)
        # Validation is of the exact distribution.
        np.testing.assert_allclose(columns(top)["students/kd/val/loss_kd"], columns(online)["students/kd/val/loss_kd"],
                                   rtol=0.05)

    def test_top_k_refusals(self):
        self.refused(USAGE, ["cache_topk = 301", "300"],
                     self.cached("r", "--teacher.cache_topk=301", students=(KD,), code=USAGE))
        self.refused(USAGE, ["cache_topk = 8", "teacher.cache"],
                     self.train("r", "--teacher.cache_topk=8", students=(KD,), code=USAGE))
        self.fill("--teacher.cache_topk=8", students=(KD,))
        self.refused(BAD_DATA, [str(self.cache), "loss.tau = 1.5", "student warm"],
                     self.cached("r", "--teacher.cache_topk=8", students=(WARM,), code=BAD_DATA))
        self.refused(BAD_DATA, [str(self.cache), "another teacher.cache_topk (8 → 0)"],
                     self.cached("r", students=(KD,), code=BAD_DATA))

    # ------------------------------------------------------------ refusals

    def test_stale(self):
        self.fill()
        cases = [
            (["another teacher ("], [f"--teacher.model={self.world.teacher}:teacher@0"]),
            (["another data.context (32 → 16)"], ["--data.context=16"]),
            (["other tokens", "another data.split (train → val)"], ["--data.split=val"]),
            (["another teacher.cache_precision (bf16 → fp32)"], ["--teacher.cache_precision=fp32"]),
            (["another data.limit_tokens"], ["--data.limit_tokens=700"]),
        ]
        before = fingerprint(self.cache)
        for words, more in cases:
            self.refused(BAD_DATA, [str(self.cache), *words], self.cached("r", *more, code=BAD_DATA, ranks=2))
        self.assertEqual(fingerprint(self.cache), before)

    def test_layers_that_are_not_there(self):
        self.fill("--teacher.cache_clone=[1]")
        self.refused(BAD_DATA, [str(self.cache), "layer 0", "[1]"], self.cached("r", code=BAD_DATA))
        self.cached("fewer", "--teacher.cache_clone=[1]")
        self.refused(USAGE, ["student lrc", "teacher.cache_clone"],
                     self.cached("r", "--teacher.cache_clone=none", code=USAGE))
        self.refused(USAGE, ["teacher.cache_clone", "layer 2"],
                     self.cached("r", "--teacher.cache_clone=[0, 2]", code=USAGE))
        self.refused(USAGE, ["teacher.cache_clone", "some"],
                     self.cached("r", "--teacher.cache_clone=some", code=USAGE))

    def test_damaged_part(self):
        self.fill()
        part = next(self.cache.glob("part-*.h5"))
        whole = part.read_bytes()
        part.write_bytes(whole[:len(whole) // 2])
        self.refused(BAD_DATA, [part.name, "remove this file"], self.cached("r", code=BAD_DATA, ranks=2))
        flipped = bytearray(whole)
        part.write_bytes(whole)
        with h5py.File(part) as file:
            offset = file["hidden"].id.get_chunk_info(3).byte_offset
        flipped[offset + 5] ^= 1
        part.write_bytes(flipped)
        self.refused(BAD_DATA, [part.name], self.cached("r2", code=BAD_DATA))
        part.unlink()
        self.cached("again")  # computed again
        self.assertEqual(set(self.windows()), set(self.expected))

    def test_folders_that_cannot_be(self):
        self.cache.write_text("mine")
        self.refused(IO, [str(self.cache), "is a file"], self.cached("r", code=IO))
        self.refused(IO, [str(self.cache)], self.train("r", f"--teacher.cache={self.cache}/below", code=IO))
        self.refused(BUSY, [str(self.world.tokens), "not of lrd"],
                     self.train("r", f"--teacher.cache={self.world.tokens}", code=BUSY))
        self.refused(USAGE, ["memory", "folder"], self.fill("--teacher.cache=memory", code=USAGE))

    def test_a_window_twice_in_a_batch(self):
        """Micro-batches of 8 end no epoch of 37 windows: one holds the end of an epoch and the next's begin."""
        for seed in (1, 2, 3):
            shutil.rmtree(self.cache, ignore_errors=True)
            self.cached(f"seed-{seed}", "--train.micro_batch=8", f"--run.seed={seed}")
            self.assertEqual(sorted(self.windows()), self.expected)
        shutil.rmtree(self.cache)
        self.cached("few", "--train.micro_batch=8", "--data.limit_tokens=150")  # fewer windows than a batch has

    def test_ranks_that_differ(self):
        config = self.config((LRC,), "fill.toml", steps=2)
        fill = [LRD, "cache", config, LIMIT, f"--teacher.cache={self.cache}"]
        launcher = [MPIEXEC[0], *MPIEXEC[1:-1]]
        result = subprocess.run([*launcher, "-n", "1", *fill, ":", "-n", "1", *fill, "--train.micro_batch=2"],
                                capture_output=True, text=True, timeout=60, env=ENVIRONMENT)
        self.assertEqual(result.returncode, USAGE, result.stderr)
        self.assertIn("micro_batch", result.stderr)

    def test_another_instruction_set_under_reproducible(self):
        self.fill()
        description = self.cache / "cache.json"
        description.write_text(description.read_text().replace('"instruction_set": "', '"instruction_set": "other '))
        for part in self.cache.glob("part-*.h5"):
            part.unlink()  # they carry the digest of the description
        self.cached("any")
        self.refused(BAD_DATA, ["instruction set", "reproducible"], self.cached("same", "--run.reproducible", code=BAD_DATA))

    def test_another_job_fills(self):
        # A checkpoint after every step makes the filling slow enough to be stopped within it.
        config = self.config((LRC,), "slow.toml", steps=32, checkpoint_every=1, keep=1, eval_every=0)
        args = ("train", config, f"--teacher.cache={self.cache}", "--data.limit_tokens=0")
        first = Running(*args, "--out", self.folder / "first")
        first.wait_until(lambda: logged_step(self.folder / "first") >= 1, "step 1")
        os.kill(first.pids()[0], signal.SIGSTOP)
        self.refused(BUSY, [str(self.cache), "another teacher.cache"],
                     run(*args, "--out", self.folder / "second"))
        os.kill(first.pids()[0], signal.SIGCONT)
        self.expect(first.wait(), 0)
        self.expect(run(*args, "--out", self.folder / "second"), 0)  # filled: open to all

    def test_no_room_on_disk(self):
        small = self.folder / "small"
        small.mkdir()
        if subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", small], capture_output=True).returncode:
            self.skipTest("no right to mount a small disk")
        config = self.config((LRC,), "fill.toml", steps=2)
        script = 'mount -t tmpfs -o size=100k none "$0"; "$@"; code=$?; ls -A "$0" > "${0%small}left"; exit $code'
        result = run("cache", config, f"--teacher.cache={small}/cache",
                     prefix=["unshare", "-m", "sh", "-c", script, small])
        self.refused(IO, ["needed", "free", "with none", "for each layer"], result)
        self.assertEqual((self.folder / "left").read_text(), "")


if __name__ == "__main__":
    unittest.main()
