# SPDX-License-Identifier: MIT
"""Hugging Face in and out: directories as MODEL, import, export, and what is refused."""
import json
import shutil
import unittest

import hf_files
import numpy as np
from harness import LRC, Case, fingerprint, run, run_well

BAD_DATA, MISSING, BUSY = 65, 66, 73


class Models(Case):
    def setUp(self):
        super().setUp()
        self.vocabulary = len(json.loads((self.world.tokens / "tokenizer/vocab.json").read_text()))
        self.config_json = hf_files.config(self.vocabulary)

    def model(self, name, config=None, tensors=None, write=hf_files.write_model):
        config = config or self.config_json
        folder = write(self.folder / name, config, tensors or hf_files.tensors(config))
        for file in ("vocab.json", "merges.txt"):
            shutil.copy(self.world.tokens / "tokenizer" / file, folder)
        return folder

    def score(self, model, *more):
        found = json.loads(run_well("eval", "--model", model, "--tokens", self.world.tokens, "--json", *more).out)
        self.assertGreater(found["tokens"], 100)
        return found["nll"]


class Reading(Models):
    def test_one_file_or_many_with_or_without_prefix(self):
        weights = hf_files.tensors(self.config_json)
        expected = self.score(self.model("one"))
        short = {name.removeprefix("transformer."): x for name, x in weights.items()}
        self.assertEqual(self.score(self.model("short", tensors=short)), expected)
        self.assertEqual(self.score(self.model("many", tensors=weights, write=hf_files.write_shards)), expected)

    def test_old_masks_and_a_second_copy_of_the_head(self):
        weights = hf_files.tensors(self.config_json)
        expected = self.score(self.model("plain"))
        weights["lm_head.weight"] = weights["transformer.wte.weight"]
        weights["transformer.h.0.attn.bias"] = np.ones((1, 1, 32, 32), np.uint8)
        weights["transformer.h.1.attn.masked_bias"] = np.array(-1e4, np.float32)
        self.assertEqual(self.score(self.model("old", tensors=weights)), expected)

    def test_halves(self):
        weights = hf_files.tensors(self.config_json)
        halves = {name: x.astype(np.float16) for name, x in weights.items()}
        rounded = {name: x.astype(np.float32) for name, x in halves.items()}
        self.assertEqual(self.score(self.model("f16", tensors=halves)),
                         self.score(self.model("f16-as-f32", tensors=rounded)))
        upper = {name: (x.view(np.uint32) >> 16).astype(np.uint16) for name, x in weights.items()}
        cut = {name: (x.astype(np.uint32) << 16).view(np.float32) for name, x in upper.items()}
        self.assertEqual(self.score(self.model("bf16", tensors=upper)),
                         self.score(self.model("bf16-as-f32", tensors=cut)))

    def test_an_own_head_epsilon_and_inner_width_count(self):
        plain = self.score(self.model("plain"))
        for key, value in (("tie_word_embeddings", False), ("layer_norm_epsilon", 0.5), ("n_inner", 40)):
            other = self.score(self.model(key, {**self.config_json, key: value}))
            self.assertGreater(abs(other - plain), 1e-3, key)

    def test_inspect(self):
        folder = self.model("one")
        found = json.loads(run_well("inspect", folder, "--json").out)
        self.assertEqual(found["architecture"]["layers"], 2)
        self.assertIn("transformer.h.1.mlp.c_fc.weight  F32 [24, 96]", run_well("inspect", folder).out)


class Round(Models):
    def same_tensors(self, one, other):
        a, b = (hf_files.read_safetensors(folder / "model.safetensors") for folder in (one, other))
        self.assertEqual(a.keys(), b.keys())
        for name in a:
            self.assertEqual(a[name], b[name], name)

    def test_import_and_export_keep_every_bit(self):
        for tied in (True, False):
            config = {**self.config_json, "tie_word_embeddings": tied, "layer_norm_epsilon": 1e-6}
            folder = self.model(f"model-{tied}", config)
            file, out = self.folder / f"{tied}.h5", self.folder / f"out-{tied}"
            run_well("import", "--from", folder, "--out", file)
            self.assertEqual(self.score(file), self.score(folder))
            said = run_well("export", "--model", file, "--out", out)
            self.assertIn("differ by 0.0e+00", said.err)
            self.same_tensors(folder, out)
            for name in ("vocab.json", "merges.txt"):
                self.assertEqual((out / name).read_bytes(), (folder / name).read_bytes())
            written = json.loads((out / "config.json").read_text())
            for key in config.keys() - {"attn_pdrop"}:
                self.assertEqual(written[key], config[key], key)
            self.assertEqual(written["eos_token_id"], self.vocabulary - 1)
            self.assertEqual(self.score(out), self.score(folder))
            run_well("inspect", file)

    def test_students_of_a_teacher_from_there(self):
        """A lifted student of a teacher with its own head leaves in every form as the same model."""
        teacher = self.model("teacher", {**self.config_json, "tie_word_embeddings": False})
        config = self.config([LRC], steps=3)
        run_well("train", config, "--out", self.folder / "run", "--teacher.model", teacher)
        expected = self.score(f"{self.folder}/run:lrc", "--teacher", teacher)
        for form in ("hf", "hf-dense", "h5"):
            run_well("export", "--model", self.folder / "run", "--out", self.folder / form, "--as", form)
        shutil.rmtree(teacher)
        shutil.rmtree(self.folder / "run")
        for form in ("hf", "hf-dense", "h5"):
            self.assertAlmostEqual(self.score(self.folder / form), expected, delta=1e-5)
            again = self.folder / f"{form}-again"
            run_well("export", "--model", self.folder / form, "--out", again)
            self.assertTrue((again / "merges.txt").exists(), form)
        small = hf_files.read_safetensors(self.folder / "hf/model.safetensors")
        self.assertEqual(small["lm_head.De"][1], [8, 24])
        self.assertEqual(small["transformer.h.0.attn.c_attn.A"][1], [72, 8])

    def test_training_may_start_from_there(self):
        folder = self.model("model")
        dense = f'name = "d"\nform = "dense"\nstart = "{folder}"\nloss.kd = 0.0\nloss.clone = 0.0'
        run_well("train", self.config([dense], steps=1), "--out", self.folder / "run", "--teacher.model", folder)
        self.assertAlmostEqual(self.score(f"{self.folder}/run:d@0"), self.score(folder), delta=1e-9)

    def test_what_stands_there_is_kept(self):
        folder, out = self.model("model"), self.folder / "out"
        run_well("export", "--model", folder, "--out", out)
        before = fingerprint(out)
        self.assertIn("--overwrite", self.expect(run("export", "--model", folder, "--out", out), BUSY).err)
        (out / "thesis.tex").write_text("all of it")
        self.assertIn("thesis.tex",
                      self.expect(run("export", "--model", folder, "--out", out, "--overwrite"), BUSY).err)
        (out / "thesis.tex").unlink()
        (out / "config.json").write_text("another")
        run_well("export", "--model", folder, "--out", f"{out}/", "--overwrite")
        self.assertEqual(fingerprint(out), before)
        file = self.folder / "m.h5"
        run_well("import", "--from", folder, "--out", file)
        self.assertIn("--overwrite", self.expect(run("import", "--from", folder, "--out", file), BUSY).err)
        run_well("import", "--from", folder, "--out", file, "--overwrite")
        self.assertEqual([p.name for p in self.folder.iterdir() if p.name.startswith(".")], [])


class Refused(Models):
    """One sentence with the place, the right exit code, nothing left."""

    def refused(self, code, words, folder, command="import"):
        more = {"import": ("--from", folder, "--out", self.folder / "out.h5"),
                "eval": ("--model", folder, "--tokens", self.world.tokens)}[command]
        before = fingerprint(self.folder)
        result = self.expect(run(command, *more), code)
        said = result.sentences()
        self.assertEqual(len(said), 1, result)
        for word in words:
            self.assertIn(word, said[0])
        self.assertEqual(fingerprint(self.folder), before)

    def test_configurations(self):
        folder = self.model("model")
        for change, words in (
                ({"model_type": "llama"}, ["model_type", "llama"]),
                ({"model_type": None}, ["model_type"]),
                ({"architectures": ["GPT2DoubleHeadsModel"]}, ["architectures", "GPT2DoubleHeadsModel"]),
                ({"activation_function": "gelu"}, ["activation_function", '"gelu"', "gelu_new"]),
                ({"scale_attn_by_inverse_layer_idx": True}, ["scale_attn_by_inverse_layer_idx"]),
                ({"scale_attn_weights": False}, ["scale_attn_weights = false"]),
                ({"add_cross_attention": True}, ["add_cross_attention"]),
                ({"quantization_config": {"bits": 4}}, ["quantization_config"]),
                ({"pruned_heads": {"0": [1]}}, ["pruned_heads"]),
                ({"layer_norm_epsilon": -1.0}, ["layer_norm_epsilon", "-1"]),
                ({"layer_norm_epsilon": "small"}, ["layer_norm_epsilon", "small"]),
                ({"tie_word_embeddings": "no"}, ["tie_word_embeddings"]),
                ({"n_head": 5}, ["n_embd = 24", "n_head = 5"]),
                ({"n_layer": 0}, ["n_layer = 0"]),
                ({"n_layer": 2.5}, ["n_layer = 2.5"]),
                ({"n_layer": None}, ["n_layer = null"])):
            with self.subTest(str(change)):
                (folder / "config.json").write_text(json.dumps({**self.config_json, **change}))
                self.refused(BAD_DATA, ["config.json", *words], folder)
        with self.subTest("keys given twice"):
            text = json.dumps(self.config_json)
            (folder / "config.json").write_text(text.replace("{", '{"n_layer": 3, ', 1))
            self.refused(BAD_DATA, ["config.json", "n_layer", "twice"], folder)

    def test_tensors(self):
        prefix = "transformer."

        def spoil(weights):
            weights[prefix + "h.1.attn.c_proj.weight"][3, 4] = np.nan

        folder = self.model("model")
        for change, words in (
                (lambda w: w.pop(prefix + "h.1.mlp.c_fc.bias"), ["h.1.mlp.c_fc.bias is missing"]),
                (lambda w: w.update({prefix + "adapter.weight": np.zeros(3, np.float32)}),
                 ["transformer.adapter.weight", "no tensor"]),
                (lambda w: w.update({"ln_f.bias": w[prefix + "ln_f.bias"]}), ["ln_f.bias", "twice"]),
                (lambda w: w.update({"lm_head.weight": w[prefix + "wte.weight"] + 1}),
                 ["lm_head.weight", "tie_word_embeddings"]),
                (lambda w: w.update({prefix + "ln_f.weight": np.ones(24, np.int64)}), ["ln_f.weight is I64"]),
                (lambda w: w.update({prefix + "wpe.weight": w[prefix + "wpe.weight"].T.copy()}),
                 ["wpe.weight", "[24, 32]", "[32, 24]"]),
                (spoil, ["model.safetensors", "h.1.attn.c_proj.weight", "not finite"])):
            with self.subTest(str(words)):
                weights = hf_files.tensors(self.config_json)
                change(weights)
                hf_files.write_safetensors(folder / "model.safetensors", weights)
                self.refused(BAD_DATA, words, folder)

    def test_weights_at_odds_with_the_configuration(self):
        folder = self.model("model")
        for change, words in (({"n_inner": 80}, ["h.0.mlp.c_fc.weight", "[24, 96]", "[24, 80]"]),
                              ({"n_layer": 1}, ["h.1.", "no tensor"]),
                              ({"tie_word_embeddings": False}, ["lm_head.weight is missing"])):
            with self.subTest(str(change)):
                (folder / "config.json").write_text(json.dumps({**self.config_json, **change}))
                self.refused(BAD_DATA, words, folder, "eval")

    def test_files(self):
        folder = self.model("model")
        data = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(data[:-1000])
        self.refused(BAD_DATA, ["model.safetensors"], folder)
        (folder / "model.safetensors").unlink()
        self.refused(MISSING, ["model.safetensors", "safe_serialization"], folder)
        self.refused(MISSING, ["nowhere"], self.folder / "nowhere")

    def test_shards(self):
        folder = self.model("model", write=hf_files.write_shards)
        index = folder / "model.safetensors.index.json"
        text = index.read_text()
        for old, new, words in (("00001-of", "00002-of", "does not have it"),
                                ("model-00001", "../model-00001", "no file beside"),
                                ('"transformer.wte.weight"', '"wte"', "does not have it"),
                                ("weight_map", "weights", "weight_map")):
            with self.subTest(new):
                index.write_text(text.replace(old, new))
                self.refused(BAD_DATA, ["index.json", words], folder)
        index.write_text(text)
        (folder / "model-00002-of-00002.safetensors").unlink()
        self.refused(MISSING, ["model-00002-of-00002.safetensors"], folder)

    def test_vocabularies(self):
        config = {**self.config_json, "vocab_size": self.vocabulary + 7}
        folder = self.model("larger", config)
        self.refused(BAD_DATA, [f"{self.vocabulary} tokens", f"{self.vocabulary + 7}"], folder)
        self.refused(BAD_DATA, [f"{self.vocabulary}", f"{self.vocabulary + 7}"], folder, "eval")
        folder = self.model("model")
        vocab = json.loads((folder / "vocab.json").read_text())
        vocab[next(iter(vocab))] = len(vocab) + 5
        (folder / "vocab.json").write_text(json.dumps(vocab))
        self.refused(BAD_DATA, ["vocab.json", str(len(vocab) + 5)], folder)


if __name__ == "__main__":
    unittest.main()
