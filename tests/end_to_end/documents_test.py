# SPDX-License-Identifier: MIT
"""data.document_mask: the same on any number of ranks, and not what training without it is."""
import unittest

import numpy as np
from harness import LRC, RELATIVE, Case, columns, run

SKIP = LRC + "\nloss.clone_skip_first = true"


class DocumentMask(Case):
    def train(self, name, *more, ranks=None, **train):
        config = self.config([SKIP, RELATIVE], name + ".toml", loose="[optim]\nlr = 1e-3", **train)
        out = self.folder / name
        self.expect(run("train", config, "--out", out, *more, ranks=ranks), 0)
        return columns(out)

    def test_ranks_and_micro_batches(self):
        one = self.train("one", "--data.document_mask=true")
        other = self.train("three", "--data.document_mask=true", ranks=3, micro_batch=2)
        without = self.train("without")
        for student in ("lrc", "rel"):
            for term in ("loss", "loss_kd", "loss_lm", "loss_clone"):
                name = f"students/{student}/train/{term}"
                np.testing.assert_allclose(one[name], other[name], rtol=1e-5, err_msg=name)
                self.assertTrue(np.isfinite(one[name]).all())
                self.assertGreater(np.abs(one[name] / without[name] - 1).max(), 1e-4, name)


if __name__ == "__main__":
    unittest.main()
