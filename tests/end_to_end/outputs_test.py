# SPDX-License-Identifier: MIT
"""What a run leaves behind, read with the tools that people have, and the figures of `lrd eval`."""
import json
import math
import unittest

import h5py
import numpy as np
from harness import KD, LRC, Case, run

KEYS = {"nll", "tokens", "words", "bytes", "token_perplexity", "word_perplexity", "byte_perplexity",
        "bits_per_byte", "top1_accuracy", "top5_accuracy", "split", "stride", "context"}
TEACHER_KEYS = {"teacher_top1_agreement", "teacher_kl"}
STUDENT = "students/rel/train"  # of the world's uninterrupted run: 400 steps, evaluated 3 times


class Metrics(Case):
    def setUp(self):
        super().setUp()
        self.path = self.world.uninterrupted / "metrics.h5"

    def test_h5py(self):
        with h5py.File(self.path, "r") as file:
            self.assertEqual(file.attrs["format_version"], 1)
            np.testing.assert_array_equal(file["train/step"][:], np.arange(1, 401))
            np.testing.assert_array_equal(file["train/tokens"][:], 16 * 32 * np.arange(1, 401))
            self.assertTrue((np.diff(file["train/time_s"][:]) > 0).all())
            np.testing.assert_array_equal(file["students/rel/val/step"][:], [150, 300, 400])
            loss = file[STUDENT]
            weighted = loss["loss_kd"][:] + loss["loss_lm"][:] + loss["loss_clone"][:]
            np.testing.assert_allclose(loss["loss"][:], weighted, rtol=1e-12)
            taps = file["students/rel/train_tap/loss_clone_tap"]
            self.assertEqual([list(dim.keys()) for dim in taps.dims], [["step"], ["layer"], ["tap"]])
            np.testing.assert_allclose(taps[:].sum((1, 2)), loss["loss_clone"][:], rtol=1e-12)

    def test_pandas(self):
        try:
            import pandas
        except ImportError as missing:
            self.skipTest(str(missing))
        with h5py.File(self.path, "r") as file:
            table = pandas.DataFrame({k: v[:] for k, v in file[STUDENT].items()}).set_index("step")
        self.assertEqual(len(table), 400)
        self.assertLess(table.loss.tail(20).mean(), table.loss.head(20).mean())

    def test_xarray(self):
        try:
            import h5netcdf  # noqa: F401
            import xarray
        except ImportError as missing:
            self.skipTest(str(missing))
        with xarray.open_dataset(self.path, engine="h5netcdf", group=STUDENT) as data:
            self.assertEqual(dict(data.sizes), {"step": 400})
            self.assertTrue(np.isfinite(data.loss.sel(step=400)))
        with xarray.open_dataset(self.path, engine="h5netcdf", group="students/rel/train_tap") as data:
            self.assertEqual(data.loss_clone_tap.dims, ("step", "layer", "tap"))

    def test_the_log_has_the_same_rows(self):
        with h5py.File(self.path, "r") as file:
            for line in (self.world.uninterrupted / "log.jsonl").read_text().splitlines():
                row = json.loads(line)
                if row["kind"] != "metrics":
                    continue
                group = file[row["group"]]
                at = int(np.searchsorted(group["step"][:], row["step"]))
                self.assertEqual(group["step"][at], row["step"])
                for name, value in row.items():
                    if name in group and name != "step":
                        expected = np.nan if value is None else np.ravel(value)
                        np.testing.assert_array_equal(np.ravel(group[name][at]), expected, name)


class Eval(Case):
    def eval(self, model, *more, ranks=None):
        result = self.expect(run("eval", "--model", model, "--tokens", self.world.tokens, "--json", *more,
                                 ranks=ranks), 0)
        return json.loads(result.out)  # stdout is one JSON value

    def split(self, name):
        with h5py.File(self.world.tokens / f"{name}-00000.h5", "r") as file:
            return {key: file[key][:].astype(int) for key in ("tokens", "doc_offsets", "doc_bytes", "doc_words")}

    def agrees_with_itself(self, found):
        nats = found["nll"] * found["tokens"]
        for key, expected in {
                "token_perplexity": math.exp(found["nll"]),
                "word_perplexity": math.exp(nats / found["words"]),
                "byte_perplexity": math.exp(nats / found["bytes"]),
                "bits_per_byte": nats / found["bytes"] / math.log(2)}.items():
            self.assertAlmostEqual(found[key] / expected, 1, 9, key)

    def test_keys_and_units(self):
        for split in ("test", "val"):
            found = self.eval(self.world.teacher, "--split", split)
            self.assertLessEqual(KEYS, found.keys())
            self.assertFalse(TEACHER_KEYS & found.keys())
            data = self.split(split)
            # One stream; every token but the first is a target, once; the end-of-text tokens too.
            self.assertEqual(found["tokens"], len(data["tokens"]) - 1)
            self.assertEqual(found["bytes"], data["doc_bytes"].sum())
            self.assertEqual(found["words"], data["doc_words"].sum())
            self.assertEqual((found["split"], found["stride"], found["context"]), (split, 0, 32))
            self.agrees_with_itself(found)
            self.assertLess(found["nll"], math.log(300))

    def test_counts_against_the_text(self):
        """Bytes and words of all splits together are those of the text itself."""
        text = self.world.text.read_text()
        totals = {key: sum(self.split(s)[key].sum() for s in ("train", "val", "test"))
                  for key in ("doc_bytes", "doc_words")}
        self.assertEqual(totals["doc_bytes"], len(text.encode()))
        self.assertEqual(totals["doc_words"], len(text.split()) + text.count("\n"))

    def test_stride(self):
        side_by_side = self.eval(self.world.teacher)
        same = self.eval(self.world.teacher, "--stride", "32")
        self.assertEqual(same["nll"], side_by_side["nll"])
        sliding = self.eval(self.world.teacher, "--stride", "7")
        self.assertEqual(sliding["tokens"], side_by_side["tokens"])
        self.assertEqual(sliding["stride"], 7)
        self.assertNotEqual(sliding["nll"], side_by_side["nll"])
        self.agrees_with_itself(sliding)
        self.assertAlmostEqual(sliding["nll"], side_by_side["nll"], delta=0.2)

    def test_ranks(self):
        model, teacher = f"{self.world.uninterrupted}:rel", ("--teacher", self.world.teacher)
        one = self.eval(model, *teacher)
        for ranks in (2, 3):
            several = self.eval(model, *teacher, ranks=ranks)
            self.assertEqual(several.keys(), one.keys())
            for key, value in one.items():
                if isinstance(value, float):
                    self.assertAlmostEqual(several[key] / value, 1, 9, key)
                else:
                    self.assertEqual(several[key], value, key)

    def test_spellings_of_a_model(self):
        out = self.world.uninterrupted
        last, step = self.eval(f"{out}:rel@last"), self.eval(f"{out}:rel@400")
        self.assertEqual(last["nll"], step["nll"])
        best = self.eval(f"{out}:rel@best")
        self.assertEqual(best["nll"], self.eval(f"{out}:rel")["nll"])
        self.assertEqual(best["nll"], self.eval(out / "best/rel.h5")["nll"])
        # The run's own figure for the same split.
        with h5py.File(out / "metrics.h5", "r") as file:
            own = file["students/rel/val/loss_lm"][-1]
        self.assertAlmostEqual(self.eval(f"{out}:rel@400", "--split", "val")["nll"] / own, 1, 6)

    def test_the_untrained_student(self):
        """Step 0: at full rank the teacher, below it the truncated SVD, at random nobody."""
        full = LRC.replace("lrc", "full").replace("rank = 8", "rank = 32")
        config = self.config([full, LRC, KD], steps=4, checkpoint_every=4)
        out = self.folder / "run"
        self.expect(run("train", config, "--out", out), 0)
        teacher = ("--teacher", self.world.teacher)
        found = {name: self.eval(f"{out}:{name}@0", *teacher) for name in ("full", "lrc", "kd")}
        own = self.eval(self.world.teacher)
        for one in found.values():
            self.assertLessEqual(KEYS | TEACHER_KEYS, one.keys())
        self.assertAlmostEqual(found["full"]["nll"], own["nll"], 5)
        self.assertAlmostEqual(found["full"]["teacher_kl"], 0, 5)
        self.assertGreater(found["full"]["teacher_top1_agreement"], 0.999)
        self.assertGreater(found["lrc"]["teacher_kl"], 0.01)
        self.assertLess(found["lrc"]["teacher_kl"], found["kd"]["teacher_kl"])
        self.assertAlmostEqual(found["kd"]["nll"], math.log(300), delta=0.5)
        self.assertNotEqual(self.eval(f"{out}:lrc@4")["nll"], found["lrc"]["nll"])


if __name__ == "__main__":
    unittest.main()
