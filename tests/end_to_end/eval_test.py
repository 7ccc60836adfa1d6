# SPDX-License-Identifier: MIT
"""The figures of `lrd eval` against computations that share no line with it, and what else it writes."""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import unittest

import gpt2_numpy
import h5py
import numpy as np
from harness import Case, run

CONTEXT = 32
STRIDES = (CONTEXT, 7, 1)


class EvalCase(Case):
    def setUp(self):
        super().setUp()
        self.teacher_file = self.world.teacher / "best/teacher.h5"
        self.student_file = self.world.uninterrupted / "best/sgd.h5"
        self.student = f"{self.world.uninterrupted}:sgd@best"

    def result(self, model, *more, ranks=None, tokens=None):
        return self.expect(run("eval", "--model", model, "--tokens", tokens or self.world.tokens, "--json", *more,
                               ranks=ranks), 0)

    def eval(self, model, *more, **settings):
        return json.loads(self.result(model, *more, **settings).out)

    def shard(self, split):
        return self.world.tokens / f"{split}-00000.h5"

    def tokens(self, split="test"):
        with h5py.File(self.shard(split), "r") as file:
            return file["tokens"][:].astype(int)

    def close(self, found, expected, *keys):
        self.assertEqual(found["tokens"], expected["tokens"])
        for key in keys:
            self.assertAlmostEqual(found[key] / expected[key], 1, delta=1e-6, msg=key)
        for key in set(expected) & {"top1_accuracy", "top5_accuracy", "teacher_top1_agreement"}:
            # Counts; two logits that are equal but for fp32's rounding may change places once.
            self.assertAlmostEqual(found[key], expected[key], delta=1.1 / found["tokens"], msg=key)


class Figures(EvalCase):
    def test_against_numpy(self):
        model = gpt2_numpy.Model(self.teacher_file, "teacher")
        for stride in STRIDES[:2]:
            found = self.eval(self.world.teacher, "--stride", stride)
            self.close(found, gpt2_numpy.score(model, self.tokens(), CONTEXT, stride), "nll")
            self.assertGreater(found["top5_accuracy"], found["top1_accuracy"])

    def test_short_context(self):
        model = gpt2_numpy.Model(self.teacher_file, "teacher")
        found = self.eval(self.world.teacher, "--context", 13, "--stride", 5)
        self.close(found, gpt2_numpy.score(model, self.tokens(), 13, 5), "nll")
        self.assertEqual((found["context"], found["stride"]), (13, 5))

    def test_with_a_teacher_against_numpy(self):
        model = gpt2_numpy.Model(self.student_file, "sgd")
        teacher = gpt2_numpy.Model(self.teacher_file, "teacher")
        for stride in STRIDES[:2]:
            found = self.eval(self.student, "--teacher", self.world.teacher, "--stride", stride)
            expected = gpt2_numpy.score(model, self.tokens(), CONTEXT, stride, teacher)
            self.close(found, expected, "nll", "teacher_kl")

    def test_against_transformers(self):
        python = os.environ.get("LRD_TORCH_PYTHON")
        if not python:
            self.skipTest("LRD_TORCH_PYTHON names no Python with torch and transformers")
        script = pathlib.Path(__file__).with_name("gpt2_torch.py")
        for stride in STRIDES[:2]:
            done = subprocess.run([python, script, self.teacher_file, "teacher", self.shard("test"), str(CONTEXT),
                                   str(stride)], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.close(self.eval(self.world.teacher, "--stride", stride), json.loads(done.stdout), "nll")

    def test_a_figure_that_is_not_finite(self):
        """Weights that are finite, but whose product is not: one sentence with the window, and no figures."""
        broken = self.folder / "broken.h5"
        shutil.copy(self.teacher_file, broken)
        last = int(self.tokens()[70])
        with h5py.File(broken, "r+") as file:
            file["students/teacher/model/ln_f.bias"][:] = 1e30
            file["students/teacher/model/wte.weight"][last] = 1e30
        for ranks in (None, 2):
            result = run("eval", "--model", broken, "--tokens", self.world.tokens, "--json", ranks=ranks)
            self.expect(result, 65)
            self.assertEqual((result.out, len(result.sentences())), ("", 1), result)
            for word in ("window 0", "token 1 ", "not finite"):
                self.assertIn(word, result.sentences()[0])


class Splits(EvalCase):
    def test_several(self):
        alone = {split: self.eval(self.world.teacher, "--split", split) for split in ("test", "val")}
        self.assertEqual(self.eval(self.world.teacher), alone["test"])  # the default
        self.assertEqual(self.eval(self.world.teacher, "--split", "val", "--split", "test"),
                         [alone["val"], alone["test"]])
        every = self.eval(self.world.teacher, "--split", "all", "--micro-batch", 16)
        self.assertEqual([one["split"] for one in every], ["test", "train", "val"])
        self.assertAlmostEqual(every[0]["nll"] / alone["test"]["nll"], 1, 6)

    def test_a_shard(self):
        self.assertEqual(self.eval(self.world.teacher, tokens=self.shard("val")),
                         self.eval(self.world.teacher, "--split", "val"))

    def test_ranks_give_the_same_bits(self):
        """Figures and the file of documents, from which the stride makes windows overlap."""
        more = ("--teacher", self.world.teacher, "--stride", 11, "--split", "val", "--split", "test")
        found = []
        for ranks in (1, 2, 3):
            file = self.folder / f"{ranks}.h5"
            found.append((self.eval(self.student, *more, "--per-document", file, ranks=ranks), file.read_bytes()))
        self.assertEqual(found[1][0], found[0][0])
        self.assertEqual(found[2][0], found[0][0])
        self.assertTrue(found[0][1] == found[1][1] == found[2][1])


class Documents(EvalCase):
    def per_document(self, *more):
        path = self.folder / "documents.h5"
        found = self.eval(self.world.teacher, "--per-document", path, *more)
        return path, found

    def test_sums(self):
        for stride in STRIDES[:2]:
            path, found = self.per_document("--stride", stride)
            with h5py.File(path, "r") as file, h5py.File(self.shard("test"), "r") as shard:
                rows = {name: file["test"][name][:] for name in file["test"]}
                offsets = shard["doc_offsets"][:]
                np.testing.assert_array_equal(rows["document"], np.arange(len(offsets) - 1))
                np.testing.assert_array_equal(rows["bytes"], shard["doc_bytes"][:])
                np.testing.assert_array_equal(rows["words"], shard["doc_words"][:])
                self.assertEqual(file.attrs["stride"], stride)
                self.assertEqual(text(file["test"].attrs["tokens_sha256"]), digest_of(shard))
            self.assertAlmostEqual(rows["nll"].sum() / (found["nll"] * found["tokens"]), 1, 12)
            model = gpt2_numpy.Model(self.teacher_file, "teacher")
            each = gpt2_numpy.score(model, self.tokens(), CONTEXT, stride)["nll_of_target"]
            each = np.concatenate([[0.0], each])  # the first token is nobody's target
            sizes = np.diff(offsets)
            sizes[0] -= 1
            np.testing.assert_array_equal(rows["tokens"], sizes)
            np.testing.assert_allclose(rows["nll"], np.add.reduceat(each, offsets[:-1]), rtol=3e-6)
            path.unlink()

    def test_several_splits(self):
        path, found = self.per_document("--split", "val", "--split", "test")
        with h5py.File(path, "r") as file:
            self.assertEqual(sorted(file), ["test", "val"])
            for one in found:
                self.assertAlmostEqual(file[one["split"]]["nll"][:].sum() / (one["nll"] * one["tokens"]), 1, 12)

    def test_xarray(self):
        try:
            import h5netcdf  # noqa: F401
            import xarray
        except ImportError as missing:
            self.skipTest(str(missing))
        path, _ = self.per_document()
        with xarray.open_dataset(path, engine="h5netcdf", group="test") as data:
            self.assertEqual(data.nll.dims, ("document",))


def text(attribute):
    return attribute.decode() if isinstance(attribute, bytes) else attribute


def digest_of(shard):
    """The digest of a split is the hash of the hashes of its shards."""
    return hashlib.sha256(text(shard.attrs["sha256"]).encode()).hexdigest()


if __name__ == "__main__":
    unittest.main()
