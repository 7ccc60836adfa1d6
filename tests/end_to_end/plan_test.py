# SPDX-License-Identifier: MIT
"""`lrd plan` against what runs then take and do, and against published sizes."""
import json
import os
import re
import subprocess
import tempfile
import unittest

import h5py
from harness import DENSE, ENVIRONMENT, KD, LRC, Case, columns, command, fingerprint, manifest, run, toml

GPT2_SMALL = {"layers": 12, "width": 768, "heads": 12, "head_width": 64, "ffn": 3072, "context": 1024,
              "vocabulary": 50257, "embedding_rank": 0, "forms": ["dense"] * 48, "ranks": [0] * 48}
REGION = re.compile(r"^ *(.{34}) +([0-9.]+) MiB$", re.M)


class Measured:
    """A command with what the system says that it took."""

    def __init__(self, test, *args):
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(command(args), stdout=out, stderr=err, env=ENVIRONMENT)
            _, code, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(code)
            for file in (out, err):
                file.seek(0)
            self.out, self.err = out.read().decode(), err.read().decode()
        test.assertEqual(process.returncode, 0, self.err)
        self.peak, self.cpu_s = usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime


class Plan(Case):
    def plan(self, config, *more):
        return json.loads(self.expect(run("plan", config, "--json", *more), 0).out)

    def gpt2_small(self, **train):
        """Headers of GPT-2's size: a teacher without a single weight, tokens of the world with another V."""
        teacher = self.folder / "gpt2.h5"
        with h5py.File(self.world.teacher / "best/teacher.h5", "r") as old, h5py.File(teacher, "w") as new:
            state = json.loads(old.attrs["state"])
            state["students"]["teacher"]["architecture"] = GPT2_SMALL
            new.attrs["format_version"] = old.attrs["format_version"]
            text = json.dumps(state).encode()
            new.attrs.create("state", text, dtype=h5py.string_dtype("utf-8", len(text)))
            new.create_group("students/teacher/model")
        tokens = self.folder / "tokens"
        tokens.mkdir()
        shard = tokens / "train-00000.h5"
        shard.write_bytes((self.world.tokens / "train-00000.h5").read_bytes())
        with h5py.File(shard, "r+") as file:
            for name, value in (("vocab_size", 50257), ("end_of_text", 50256)):
                file.attrs.modify(name, value)
        config = self.folder / "gpt2.toml"
        student = 'name = "lrc"\nrank = 58\nembedding_rank = 58'
        config.write_text(toml(tokens, [student], teacher, **train).replace("context = 32", "context = 1024"))
        return config

    def test_gpt2_small(self):
        """Published counts of parameters, the table of costs of the design, and headers alone are read."""
        config = self.gpt2_small(global_batch=128, micro_batch=2, steps=50000)
        before = fingerprint(self.folder)
        done = Measured(self, "plan", config, "--out", self.folder / "run", "--ranks", 2, "--json")
        self.assertLess(done.cpu_s, 1.0)
        self.assertEqual(fingerprint(self.folder), before)
        plan = json.loads(done.out)
        count = {model["name"]: model["parameters"] for model in plan["models"]}
        self.assertEqual(count, {"teacher": 124439808, "student lrc": 12419674})
        for model in plan["models"]:
            self.assertEqual(sum(model["parts"].values()), model["parameters"])
        teacher = plan["models"][0]["parts"]
        self.assertEqual(teacher["embedding"], 50257 * 768)
        self.assertEqual(teacher["positions"], 1024 * 768)
        self.assertEqual(teacher["norms"], 25 * 2 * 768)
        for name, expected in {"teacher linears": 170, "teacher attention": 19, "teacher head": 77,
                               "lrc linears": 51, "lrc attention": 19 + 47, "lrc head": 18}.items():
            self.assertAlmostEqual(plan["flops"]["per_token"][name] / 1e6, expected, delta=1, msg=name)
        self.assertAlmostEqual(plan["flops"]["per_step_and_rank"]["lrc factors"] / 1e9, 23, delta=1)
        self.assertEqual(plan["schedule"]["tokens"], 50000 * 128 * 1024)
        self.assertAlmostEqual(plan["disk"]["checkpoint"] / (3 * 4 * 12419674), 1, delta=0.02)  # values, m, v

    def test_what_does_not_fit_is_said(self):
        config = self.gpt2_small(global_batch=4096, micro_batch=4096)
        result = self.expect(run("plan", config, "--accelerator", "h100"), 0)
        for what in ("the memory of this node", "the memory of an h100"):
            self.assertIn("DOES NOT FIT: " + what, result.out)
        self.assertIn("\nfits: the disk", result.out)
        small = self.expect(run("plan", config, "--accelerator", "h100", "--train.micro-batch=1"), 0)
        self.assertNotIn("DOES NOT FIT: the memory of an h100", small.out)

    def test_a_start_prints_the_same(self):
        config = self.config([LRC, KD], steps=2)
        started = self.expect(run("train", config, "--out", self.folder / "run"), 0)
        text = self.expect(run("plan", config), 0).out
        regions = REGION.findall(started.err)
        self.assertIn("lrc activations", [name.strip() for name, _ in regions])
        planned = dict(REGION.findall(text))
        for name, size in regions:
            self.assertEqual(planned[name], size, name)
        step = self.plan(config)["flops"]["step"]
        for s, flops in enumerate(columns(self.folder / "run")["train/flops"], 1):
            self.assertAlmostEqual(flops / (s * step), 1, 9)

    def within_the_plan(self, config, out):
        """Memory within 10 % of what the system saw, a checkpoint within 2 % of its file."""
        plan = self.plan(config)
        done = Measured(self, "train", config, "--out", out)
        peak = plan["memory"]["peak"]
        self.assertGreater(peak, 2 * plan["memory"]["process"])  # it is the run that is compared
        self.assertAlmostEqual((done.peak - plan["memory"]["process"]) / peak, 1, delta=0.1)
        state = out / "ckpt/step-00000001/state.h5"
        size = plan["disk"]["checkpoint"]
        self.assertAlmostEqual(state.stat().st_size, size, delta=0.02 * size)

    def test_memory_and_disk(self):
        size = {"steps": 1, "global_batch": 8, "micro_batch": 8}
        model = "layers = 4\nwidth = 256\nheads = 4"
        teacher = self.folder / "teacher"
        config = self.folder / "teacher.toml"
        text = toml(self.world.tokens, [DENSE], **size).replace("context = 32", "context = 256")
        config.write_text(text.replace("layers = 2\nwidth = 32\nheads = 2", model))
        self.within_the_plan(config, teacher)
        students = [LRC.replace("rank = 8", "rank = 64"), KD.replace("rank = 8", "rank = 32")]
        config = self.folder / "students.toml"
        config.write_text(toml(self.world.tokens, students, teacher, **size).replace("context = 32", "context = 256"))
        self.within_the_plan(config, self.folder / "students")

    def test_recomputing_saves_memory(self):
        """By hand, and a run has the same bits."""
        config = self.gpt2_small(global_batch=128, micro_batch=2)
        sizes = [self.plan(config, f"--train.recompute={value}")["memory"]["regions"]["lrc activations"]
                 for value in ("false", "true")]
        c, ffn = 768, 3072
        of_layer = 6 * c + 2 * ffn  # h_mid, two norms, q, k, v; before and after GELU
        shared = 2 * c + 2 * ffn  # h_mid, a norm; q, k, v in the place of what GELU takes
        self.assertEqual(sizes[0] - sizes[1], 4 * 2 * 1024 * (12 * of_layer - shared))
        config = self.config([LRC, KD], steps=2, checkpoint_every=2)
        tensors = []
        for value in ("false", "true"):
            out = self.folder / f"recompute-{value}"
            self.expect(run("train", config, "--out", out, f"--train.recompute={value}"), 0)
            tensors.append(manifest(out, 2)["tensors"])
        self.assertEqual(*tensors)

    def test_time(self):
        config = self.config([LRC], global_batch=16, micro_batch=4, steps=20)
        one = self.plan(config, "--rate", 50)
        self.assertAlmostEqual(one["time"]["step_s"] * 50e9 / one["flops"]["step"], 1, 9)
        self.assertGreater(one["time"]["run_s"], 20 * one["time"]["step_s"])  # evaluations too
        three = self.plan(config, "--rate", 50, "--ranks", 3)  # 2 of 4 micro-batches on rank 0
        factors = one["flops"]["per_step_and_rank"]["lrc factors"]
        half = (one["flops"]["step"] - factors) / 2 + factors
        self.assertAlmostEqual(three["time"]["step_s"] * 50e9 / half, 1, 9)
        self.assertIsNone(self.plan(config)["time"])
        timed = self.plan(config, "--measure")["time"]
        self.assertGreater(timed["gflop_per_s_and_rank"], 0.1)
        self.assertAlmostEqual(timed["step_s"] * timed["gflop_per_s_and_rank"] * 1e9 / one["flops"]["step"], 1, 9)

    def test_measured_with_ranks(self):
        relative = LRC + '\nloss.clone_reduction = "relative"'
        result = self.expect(run("plan", self.config([relative], steps=20), "--measure", "--json", ranks=2), 0)
        plan = json.loads(result.out)
        self.assertEqual((plan["schedule"]["ranks"], plan["memory"]["ranks_of_node"]), (2, 2))
        self.assertGreater(plan["time"]["run_s"], 0)

    def test_a_cache_is_planned(self):
        """Sizes by hand; neither counting nor measuring writes one."""
        config = self.config([LRC], steps=20)
        bytes_per_token = 2 * 32 + 2 * 2 * 2 * 32  # bf16: the final hidden state; two taps of two layers
        cache = self.folder / "cache"
        for where, more in ((cache, []), (cache, ["--measure"]), ("memory", [])):
            plan = self.plan(config, f"--teacher.cache={where}", *more)
            size = plan["schedule"]["windows"] * 32 * bytes_per_token
            found = plan["memory"]["regions"].get("teacher's outputs", 0), plan["disk"]["cache"]
            self.assertEqual(found, (size, 0) if where == "memory" else (0, size))
            self.assertFalse(cache.exists())

    def test_later_epochs_read_the_cache(self):
        """What they save is the teacher's blocks, with the K largest logits its head too."""
        config = self.config([LRC], global_batch=16, micro_batch=4, steps=400)
        online = self.plan(config, "--rate", 50)
        for cache, parts in (("memory", ("linears", "attention")), ("topk", ("linears", "attention", "head"))):
            more = ["--teacher.cache=memory"] + (["--teacher.cache_topk=8"] if cache == "topk" else [])
            plan = self.plan(config, "--rate", 50, *more)
            steps = 400 - plan["schedule"]["windows"] / 16
            self.assertGreater(steps, 0)
            self.assertAlmostEqual(plan["schedule"]["cached_steps"], steps)
            saved = steps * 16 * 32 * sum(plan["flops"]["per_token"]["teacher " + part] for part in parts)
            self.assertAlmostEqual((online["flops"]["run"] - plan["flops"]["run"]) / saved, 1, 9)
            self.assertAlmostEqual((online["time"]["run_s"] - plan["time"]["run_s"]) * 50e9 / saved, 1, 6)
        self.assertEqual(online["schedule"]["cached_steps"], 0)

    def test_what_stands_once_per_node(self):
        config = self.config([LRC], steps=20)
        memory = self.plan(config, "--teacher.cache=memory", "--ranks", "3")["memory"]
        shared = memory["regions"]["teacher's outputs"] + memory["regions"]["teacher weights"]
        self.assertEqual(memory["shared"], shared)
        self.assertEqual(memory["node"], 3 * (memory["rank"] - shared) + shared)

    def test_the_run_directory_is_left_alone(self):
        config = self.config([LRC], steps=2)
        out = self.folder / "run"
        self.plan(config, "--out", out)
        self.assertFalse(out.exists())
        before = fingerprint(self.world.uninterrupted)
        self.plan(self.world.continued, "--out", self.world.uninterrupted)
        self.assertEqual(fingerprint(self.world.uninterrupted), before)

    def test_refusals_are_those_of_train(self):
        config = self.config([LRC], steps=2)
        for code, word, more in ((64, "optim.lrr", ["--optim.lrr=1"]), (66, "nowhere", ["--teacher.model=nowhere"]),
                                 (64, "--accelerator", ["--accelerator", "abacus"]),
                                 (64, "--measure", ["--measure", "--rate", "1"]),
                                 (64, "4 micro-batches", ["--ranks", "5"]),
                                 (65, "32 positions", ["--data.context=64"])):
            with self.subTest(word):
                result = self.expect(run("plan", config, *more), code)
                self.assertEqual(len(result.sentences()), 1, result)
                self.assertIn(word.lstrip("-"), result.sentences()[0])


if __name__ == "__main__":
    unittest.main()
