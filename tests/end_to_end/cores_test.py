# SPDX-License-Identifier: MIT
"""On which cores ranks run: bound by the launcher or not, and as the user says."""
import os
import unittest
from unittest import mock

import harness
from harness import DENSE, Case, Running, logged_step

CORES = sorted(os.sched_getaffinity(0))


def cores_of(thread):
    return sorted(os.sched_getaffinity(thread))


def threads_of(pid):
    return [int(task) for task in os.listdir(f"/proc/{pid}/task")]


@unittest.skipIf(len(CORES) < 2, "needs two cores")
class Pinning(Case):
    def start(self, ranks, *more, binding="none", **environment):
        """The cores of each rank's first thread while it makes steps, and what was said."""
        out = self.folder / f"run-{ranks}"
        config = self.config([DENSE], teacher=False, steps=100000, eval_every=0, checkpoint_every=100000)
        environment["OMPI_MCA_hwloc_base_binding_policy"] = binding
        with mock.patch.dict(harness.ENVIRONMENT, environment):
            running = Running("train", config, "--out", out, *more, ranks=ranks)
            running.wait_until(lambda: logged_step(out) >= 1, "first step")
            found = [cores_of(pid) for pid in running.pids()]
            self.all_threads = [cores_of(thread) for pid in running.pids() for thread in threads_of(pid)]
            return found, running.kill()

    def test_ranks_that_are_bound_stay_there(self):
        found, said = self.start(2, binding="core")
        self.assertEqual([len(cores) for cores in found], [1, 1])
        self.assertNotEqual(*found)
        self.assertIn("ranks stay on cores of their own; rank 0 has ", said.err)
        self.assertFalse(said.warnings(), said)

    def test_the_user_may_say_otherwise(self):
        _, said = self.start(2, "--run.pin=none", binding="core")
        self.assertNotIn("cores of their own", said.err)

    def test_openmp_may_say_otherwise(self):
        _, said = self.start(2, binding="core", OMP_PROC_BIND="false")
        self.assertNotIn("cores of their own", said.err)

    def test_ranks_that_nobody_bound_are_free(self):
        """Another job would choose the same cores."""
        for ranks in (None, 1, 2):
            found, _ = self.start(ranks, f"--run.threads={len(CORES) // (ranks or 1)}")
            self.assertEqual(found, [CORES] * (ranks or 1))
            self.assertEqual(self.all_threads, [CORES] * len(self.all_threads))

    def test_more_threads_than_cores_are_warned_of(self):
        found, said = self.start(1, "--run.threads=2", binding="core")
        self.assertEqual([len(cores) for cores in found], [1])
        self.assertEqual(len(said.warnings()), 1, said)
        for remedy in ("2 threads share the 1 core(s)", "--bind-to none", "--map-by slot:pe=2"):
            self.assertIn(remedy, said.warnings()[0])


if __name__ == "__main__":
    unittest.main()
