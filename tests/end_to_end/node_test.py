# SPDX-License-Identifier: MIT
"""What the ranks of a node share, what they must agree on, and how one that fails ends all."""
import pathlib
import re
import unittest
from unittest import mock

import harness
from harness import DENSE, KD, LRD, Case, Running, columns, logged_step, run, run_well

MIB = 1 << 20


def resident(pid):
    """Bytes of a process in memory, shared pages counted by their share; and of shared pages alone."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    kib = {key: int(value) for key, value in re.findall(r"^(\w+):\s+(\d+) kB", text, re.M)}
    shared = re.search(r"RssShmem:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())
    return 1024 * kib["Pss"], 1024 * int(shared.group(1))


class Node(Case):
    def differing(self, first, second):
        """Two ranks, each with arguments of its own."""
        return run("train", *first, ":", "-n", 1, LRD, "train", *second, ranks=1)

    def test_the_teacher_stands_once(self):
        """A teacher of 96 MiB: four ranks take it once, and what is their own four times."""
        teacher = self.folder / "teacher"
        scratch = self.config([DENSE], "teacher.toml", teacher=False, steps=0, eval_every=0)
        run_well("train", scratch, "--out", teacher, "--model.width=1024", "--model.heads=4")
        size = (teacher / "ckpt/step-00000000/state.h5").stat().st_size / 3  # with two moments
        self.assertGreater(size, 90 * MIB)
        config = self.config([KD], steps=10000, micro_batch=4, eval_every=0, checkpoint_every=10000)
        config.write_text(config.read_text().replace(str(self.world.teacher), str(teacher)))
        totals = {}
        for ranks in (1, 4):
            out = self.folder / f"ranks-{ranks}"
            running = Running("train", config, "--out", out, ranks=ranks)
            running.wait_until(lambda at=out: logged_step(at) >= 1, "first step")
            found = [resident(pid) for pid in running.pids()]
            running.kill()
            self.assertEqual(len(found), ranks)
            totals[ranks] = sum(pss for pss, _ in found)
            for _, shared in found if ranks > 1 else []:
                self.assertGreater(shared, 0.95 * size, "a rank does not see the shared window")
        print(f"teacher {size / MIB:.0f} MiB; together: 1 rank {totals[1] / MIB:.0f} MiB, "
              f"4 ranks {totals[4] / MIB:.0f} MiB")
        self.assertLess(totals[4], 1.5 * size + 4 * (totals[1] - size))

    def test_a_teacher_without_shared_memory(self):
        """MPI may have none to give: then every rank has its own, with a warning and the same bits."""
        config = self.config([KD], steps=2)
        self.expect(run("train", config, "--out", self.folder / "shared", ranks=2), 0)
        with mock.patch.dict(harness.ENVIRONMENT, {"OMPI_MCA_osc": "^sm"}):
            result = self.expect(run("train", config, "--out", self.folder / "own", ranks=2), 0)
        self.assertEqual(len(result.warnings()), 1, result)
        self.assertIn("cannot share", result.warnings()[0])
        harness.same_run(self, self.folder / "shared", self.folder / "own", 2)

    def test_ranks_with_other_settings_are_refused(self):
        config, out = self.config([KD]), self.folder / "run"
        result = self.expect(self.differing((config, "--out", out), (config, "--out", out, "--optim.lr=0.1")), 64)
        self.assertEqual(len(result.sentences()), 1, result)
        self.assertIn("rank 1: the ranks differ in [optim]: here `lr = 0.1`, on rank 0 `lr = 0.003`",
                      result.sentences()[0])
        self.assertFalse((out / "ckpt").exists(), "a rank went on")

    def test_a_rank_that_fails_in_set_up_ends_all(self):
        """Only rank 1 finds no room, in the middle of what it alone does."""
        config, out = self.config([KD]), self.folder / "run"
        flags = ("train", config, "--out", out, "--train.global_batch=16384", "--train.micro_batch=8192")
        result = run(*flags, ":", "-n", 1, "sh", "-c", f'ulimit -v 2000000; exec {LRD} "$@"', "sh", *flags, ranks=1)
        self.expect(result, 71)
        self.assertEqual([s for s in result.sentences() if not s.startswith("lrd: rank 1: ")], [], result)
        self.assertEqual(len(result.sentences()), 1, result)
        self.assertEqual(harness.status(out)["first_failing_rank"], 1)

    def test_exposed_communication_is_a_column(self):
        """Of rank 0, in seconds since the row before; no digest may have it."""
        for ranks in (None, 2):
            out = self.folder / f"ranks-{ranks}"
            self.expect(run("train", self.config([KD], steps=4), "--out", out, ranks=ranks), 0)
            exposed = columns(out, timings=True)["train/comm_exposed_s"]
            seconds = columns(out, timings=True)["train/time_s"]
            self.assertEqual(len(exposed), 4)
            self.assertTrue((exposed >= 0).all() and exposed.sum() < seconds[-1])
            self.assertTrue(ranks is None or (exposed > 0).all())
            self.assertNotIn("train/comm_exposed_s", columns(out))


if __name__ == "__main__":
    unittest.main()
