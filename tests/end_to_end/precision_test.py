# SPDX-License-Identifier: MIT
"""run.precision = bf16: near fp32, the same in every other respect."""
import shutil
import unittest

import numpy as np
from harness import KD, LRC, Case, columns, run, same_run

USAGE, BAD_DATA = 64, 65
STEPS = 8
FP32, BF16 = "--run.precision=fp32", "--run.precision=bf16"
TERMS = ("loss", "loss_kd", "loss_lm", "loss_clone")


class Bf16(Case):
    def setUp(self):
        super().setUp()
        self.file = self.config((LRC, KD), "run.toml", steps=STEPS, eval_every=4, checkpoint_every=4)
        result = run("bench", "--config", "tiny", "--steps", "1", "--context", "32", "--precision", "bf16")
        if result.code == USAGE and "AVX512-BF16" in result.err:
            self.skipTest("this processor does not multiply bf16")
        self.expect(result, 0)

    def train(self, name, *more, ranks=None, code=0):
        out = self.folder / name
        result = self.expect(run("train", self.file, "--out", out, *more, ranks=ranks), code)
        return out if code == 0 else result

    def near(self, one, other, first, later):
        """The first row is of the same weights; then every difference of an update goes on."""
        a, b = columns(one), columns(other)
        for student in ("lrc", "kd"):
            for split in ("train", "val"):
                for term in TERMS:
                    name = f"students/{student}/{split}/{term}"
                    if split == "train":
                        np.testing.assert_allclose(a[name][0], b[name][0], rtol=first, err_msg=name)
                    np.testing.assert_allclose(a[name], b[name], rtol=later, err_msg=name)

    def test_near_fp32_and_not_the_same(self):
        fp32, bf16 = self.train("fp32", FP32), self.train("bf16", BF16)
        self.near(bf16, fp32, 1e-2, 1e-1)
        name = "students/lrc/train/loss"
        self.assertTrue((columns(bf16)[name] != columns(fp32)[name]).any())
        self.near(self.train("two", BF16, ranks=2), bf16, 1e-3, 5e-2)

    def test_resumed_with_the_same_bits(self):
        whole = self.train("whole", BF16, "--run.threads=1")
        half = self.folder / "half"
        self.expect(run("train", self.file, "--out", half, BF16, "--run.threads=1"), 0)
        shutil.rmtree(half / "ckpt/step-00000008")
        (half / "latest").unlink(missing_ok=True)
        self.expect(run("train", self.file, "--out", half, BF16, "--run.threads=1"), 0)
        same_run(self, half, whole, STEPS)
        refused = self.train("half", FP32, code=USAGE)
        self.assertIn("run.precision", refused.sentences()[0])

    def test_with_a_cache(self):
        online = self.train("online", BF16)
        cache = f"--teacher.cache={self.folder}/cache"
        self.near(self.train("filling", BF16, cache), online, 1e-2, 1e-1)
        self.near(self.train("reading", BF16, cache, ranks=2), online, 1e-2, 1e-1)
        self.near(self.train("wide", BF16, "--teacher.cache=memory", "--teacher.cache_precision=fp32"), online, 1e-5, 1e-5)
        self.assertIn("another run.precision", self.train("other", FP32, cache, code=BAD_DATA).sentences()[0])


if __name__ == "__main__":
    unittest.main()
