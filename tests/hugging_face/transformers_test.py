# SPDX-License-Identifier: MIT
"""Models that transformers wrote, read by lrd; exports of lrd, read by transformers.

$LRD_TORCH_PYTHON names an interpreter with torch and transformers; without it the test is skipped.
"""
import os
import pathlib
import sys

TORCH_PYTHON = os.environ.get("LRD_TORCH_PYTHON")
if not TORCH_PYTHON:
    print("skipped: LRD_TORCH_PYTHON names no Python with torch and transformers")
    sys.exit(77)
if os.path.abspath(sys.executable) != os.path.abspath(TORCH_PYTHON):
    os.execv(TORCH_PYTHON, [TORCH_PYTHON, *sys.argv])

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "end_to_end"))
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", HF_HUB_DISABLE_PROGRESS_BARS="1")

import json  # noqa: E402
import math  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import time  # noqa: E402
import unittest  # noqa: E402

import h5py  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from harness import LRD, Case, run_well  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel, pipeline  # noqa: E402

LOGITS = os.environ["LRD_LOGITS"]


def perplexity(model, stream, context):
    """Windows [wT, wT+T] of one stream, every target once."""
    stream, nll = torch.from_numpy(stream.astype(np.int64)), 0.0
    with torch.no_grad():
        for at in range(0, len(stream) - 1, context):
            window = stream[at:at + context + 1]
            logits = model.float().eval()(window[None, :-1]).logits[0].double()
            nll += torch.nn.functional.cross_entropy(logits, window[1:], reduction="sum").item()
    return math.exp(nll / (len(stream) - 1))


def write_tokens(folder, stream, vocabulary):
    """One document as a split called test."""
    folder.mkdir()
    with h5py.File(folder / "test-00000.h5", "w") as file:
        for name, values in (("tokens", stream.astype(np.uint16)), ("doc_offsets", [0, len(stream)]),
                             ("doc_bytes", [4 * len(stream)]), ("doc_words", [len(stream)])):
            file[name] = values
        for name, text in (("split", "test"), ("document_rule", "file"), ("tokenizer_sha256", "-"), ("sha256", "-")):
            file.attrs.create(name, text.encode(), dtype=h5py.string_dtype("utf-8", len(text)))
        file.attrs.update({"format_version": 1, "shard": 0, "shards": 1, "vocab_size": vocabulary,
                           "end_of_text": vocabulary - 1, "n_documents": 1, "n_tokens": len(stream),
                           "bytes": 4 * len(stream), "words": len(stream), "max_id": int(stream.max()),
                           "invalid_utf8": 0})


class Transformers(Case):
    def ids(self, vocabulary, count):
        return np.random.default_rng(5).integers(0, vocabulary, count).astype(np.int32)

    def logits(self, model, ids):
        (self.folder / "ids").write_bytes(ids.tobytes())
        subprocess.run([LOGITS, model, self.folder / "ids", self.folder / "logits"], check=True)
        return np.fromfile(self.folder / "logits", np.float32).reshape(len(ids), -1)

    def theirs(self, model, ids):
        with torch.no_grad():
            return model.float().eval()(torch.from_numpy(ids.astype(np.int64))[None]).logits[0].numpy()

    def same_logits(self, ours, theirs):
        self.assertEqual(ours.shape, theirs.shape)
        self.assertGreater(np.abs(theirs).max(), 0.05)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * max(1.0, np.abs(theirs).max()))


class Small(Transformers):
    def setUp(self):
        super().setUp()
        torch.manual_seed(3)
        self.vocabulary = len(json.loads((self.world.tokens / "tokenizer/vocab.json").read_text()))

    def random_model(self, name, half=False, save=None, **config):
        size = {"n_layer": 2, "n_embd": 24, "n_head": 3, "n_positions": 32, "vocab_size": self.vocabulary}
        model = GPT2LMHeadModel(GPT2Config(**{**size, "initializer_range": 0.2, **config}))
        for parameter in model.parameters():  # biases and LayerNorms that count
            if parameter.dim() == 1:
                parameter.data += 0.1 * torch.randn_like(parameter)
        if half:
            model = model.half()
        folder = self.folder / name
        model.save_pretrained(folder, **(save or {}))
        return model, folder

    def perplexity(self, model):
        with h5py.File(self.world.tokens / "test-00000.h5") as file:
            return perplexity(model, file["tokens"][:], model.config.n_positions)

    def test_their_models(self):
        for name, half, save, config in (
                ("tied", False, {}, {}),
                ("untied", False, {}, {"tie_word_embeddings": False, "layer_norm_epsilon": 1e-3}),
                ("half", True, {}, {"n_inner": 40, "activation_function": "gelu_pytorch_tanh"}),
                ("sharded", False, {"max_shard_size": "50KB"}, {})):
            with self.subTest(name):
                model, folder = self.random_model(name, half, save, **config)
                self.assertEqual(name == "sharded", (folder / "model.safetensors.index.json").exists())
                ids = self.ids(self.vocabulary, 32)
                self.same_logits(self.logits(folder, ids), self.theirs(model, ids))
                found = json.loads(run_well("eval", "--model", folder, "--tokens", self.world.tokens, "--json").out)
                self.assertLess(abs(found["token_perplexity"] / self.perplexity(model) - 1), 5e-5)

    def test_our_exports(self):
        """A lifted student as dense weights and as factors; an untied one as factors."""
        _, teacher = self.random_model("teacher", tie_word_embeddings=False)
        untied = self.folder / "untied"
        config = self.config(['name = "s"\nform = "factored"\nrank = 6\nembedding_rank = 5'], steps=2)
        run_well("train", config, "--out", untied, "--teacher.model", teacher)
        whole = self.folder / "whole"  # low rank, but for the embedding, to which the head is tied
        config = self.config(['name = "s"\nform = "factored"\nrank = 6'], "whole.toml", steps=2)
        run_well("train", config, "--out", whole)
        ids = self.ids(self.vocabulary, 32)
        for student, form in ((f"{self.world.uninterrupted}:rel", "hf-dense"), (whole, "hf"),
                              (f"{self.world.uninterrupted}:rel", "hf"), (untied, "hf"), (untied, "hf-dense")):
            with self.subTest(f"{student} {form}"):
                out = self.folder / "out"
                run_well("export", "--model", student, "--out", out, "--as", form, "--overwrite")
                model = AutoModelForCausalLM.from_pretrained(out, trust_remote_code=form == "hf")
                self.assertEqual(type(model).__name__, "GPT2LMHeadModel" if form == "hf-dense"
                                 else "LrdGpt2LMHeadModel")
                self.same_logits(self.logits(student, ids), self.theirs(model, ids))
                again = self.folder / "again"  # what transformers saves, lrd reads again
                shutil.rmtree(again, ignore_errors=True)
                model.save_pretrained(again)
                self.same_logits(self.logits(again, ids), self.logits(out, ids))

    def test_text(self):
        out = self.folder / "out"
        run_well("export", "--model", f"{self.world.uninterrupted}:rel", "--out", out)
        tokenizer = AutoTokenizer.from_pretrained(out)
        with h5py.File(self.world.tokens / "train-00000.h5") as file:
            document = file["tokens"][:file["doc_offsets"][1]].tolist()
        self.assertEqual(document[-1], tokenizer.eos_token_id)
        text = tokenizer.decode(document[:-1])
        self.assertEqual(tokenizer(text).input_ids, document[:-1])
        saved = self.folder / "saved"  # the one file that transformers 5 writes
        tokenizer.save_pretrained(saved)
        self.assertTrue((saved / "tokenizer.json").exists())
        for name in ("vocab.json", "merges.txt"):
            (saved / name).unlink(missing_ok=True)
        shutil.copy(out / "model.safetensors", saved)
        shutil.copy(out / "config.json", saved)
        model = self.folder / "model.h5"
        run_well("import", "--from", saved, "--out", model)
        for name in ("vocab.json", "merges.txt"):
            self.assertEqual((self.folder / "model.h5.tokenizer" / name).read_bytes(), (out / name).read_bytes())
        write = pipeline("text-generation", model=str(out))
        said = write(text[:40], max_new_tokens=5, do_sample=False)[0]["generated_text"]
        self.assertTrue(said.startswith(text[:40]) and len(said) > 40, said)
        factored = self.folder / "factored"
        run_well("export", "--model", f"{self.world.uninterrupted}:rel", "--out", factored, "--as", "hf")
        write = pipeline("text-generation", model=str(factored), trust_remote_code=True)
        self.assertEqual(write(text[:40], max_new_tokens=5, do_sample=False)[0]["generated_text"], said)


# Runs a command and prints its peak memory in KiB. On its own: a child starts with its parent's peak.
MEASURE = """import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)"""


class RealSize(Transformers):
    def measured(self, *args):
        """Peak memory in MB of one command."""
        start = time.monotonic()
        small = [sys.executable, "-S", "-c", MEASURE]
        done = subprocess.run([*small, LRD, *map(str, args)], stdout=subprocess.PIPE, text=True, check=True)
        peak = int(done.stdout) * 1024 / 1e6
        print(f"{args[0]}: {time.monotonic() - start:.1f} s, {peak:.0f} MB at most", flush=True)
        return peak

    def test_gpt2_size(self):
        torch.manual_seed(3)
        model = GPT2LMHeadModel(GPT2Config())
        folder, file, out = self.folder / "gpt2", self.folder / "gpt2.h5", self.folder / "out"
        model.save_pretrained(folder)
        print(f"model.safetensors: {(folder / 'model.safetensors').stat().st_size / 1e6:.0f} MB")
        ids = self.ids(50257, 128)
        theirs = self.theirs(model, ids)
        stream = self.ids(50257, 300)
        write_tokens(self.folder / "tokens", stream, 50257)
        expected = perplexity(model, stream, 128)
        del model
        self.assertLess(self.measured("import", "--from", folder, "--out", file), 1200)
        self.same_logits(self.logits(file, ids), theirs)
        file.unlink()
        self.same_logits(self.logits(folder, ids), theirs)
        found = json.loads(run_well("eval", "--model", folder, "--tokens", self.folder / "tokens", "--context",
                                    "128", "--json").out)
        self.assertLess(abs(found["token_perplexity"] / expected - 1), 5e-5)
        self.measured("export", "--model", folder, "--out", out)
        model = GPT2LMHeadModel.from_pretrained(out)
        np.testing.assert_array_equal(self.theirs(model, ids), theirs)


if __name__ == "__main__":
    unittest.main()
