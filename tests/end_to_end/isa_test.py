# SPDX-License-Identifier: MIT
"""The same program on a processor with AVX2 alone, which QEMU emulates."""
import json
import platform
import shutil
import unittest

import h5py
import numpy as np
from harness import KD, LRC, Case, columns, run, same_run

USAGE = 64
STEPS = 2
QEMU = "qemu-x86_64"
HASWELL = (QEMU, "-cpu", "Haswell")  # AVX2 and FMA, no AVX-512


def instruction_set(run_directory):
    with h5py.File(run_directory / f"ckpt/step-{STEPS:08}/state.h5", "r") as file:
        return json.loads(file.attrs["state"])["instruction_set"]


class Avx2(Case):
    def setUp(self):
        super().setUp()
        if platform.machine() != "x86_64":
            self.skipTest("no x86-64 processor, whose instruction set could be masked")
        if not shutil.which(QEMU):
            self.skipTest(f"no {QEMU}: install qemu-user")
        self.file = self.config((LRC, KD), steps=STEPS, eval_every=STEPS, checkpoint_every=STEPS)

    def train(self, name, *more, prefix=HASWELL, code=0):
        out = self.folder / name
        result = self.expect(run("train", self.file, "--out", out, *more, prefix=prefix), code)
        return out if code == 0 else result

    def test_near_this_processor_and_the_same_every_time(self):
        masked, again = self.train("masked"), self.train("again")
        self.assertEqual(instruction_set(masked), "cpu, avx2, oneDNN avx2")
        same_run(self, masked, again, STEPS)
        here = self.train("here", prefix=())
        a, b = columns(masked), columns(here)
        self.assertEqual(a.keys(), b.keys())
        for student in ("lrc", "kd"):
            for name in ("train/loss", "train/loss_kd", "train/loss_lm", "train/grad_norm", "val/loss"):
                name = f"students/{student}/{name}"
                np.testing.assert_allclose(a[name], b[name], rtol=1e-4, err_msg=name)

    def test_bf16_is_refused(self):
        refused = self.train("bf16", "--run.precision=bf16", code=USAGE)
        self.assertEqual(len(refused.sentences()), 1, refused)
        self.assertIn("needs a processor that multiplies it", refused.sentences()[0])
        self.assertIn("cpu, avx2, oneDNN avx2", refused.sentences()[0])

    def test_reproducible_runs_stay_on_their_instruction_set(self):
        out = self.train("stays", "--run.reproducible=true", prefix=())
        if instruction_set(out) == "cpu, avx2, oneDNN avx2":
            self.skipTest("this processor is no other than the one that is emulated")
        refused = self.train("stays", "--run.reproducible=true", code=USAGE)
        self.assertIn("cpu, avx2, oneDNN avx2", refused.sentences()[0])


if __name__ == "__main__":
    unittest.main()
