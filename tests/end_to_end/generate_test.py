# SPDX-License-Identifier: MIT
"""`lrd generate`: what it prints, that it prints it as it comes, and what it refuses."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import h5py
from harness import ENVIRONMENT, Case, command, run

USAGE, BAD_DATA, MISSING = 64, 65, 66
V, T = 300, 32  # of the world


class GenerateCase(Case):
    def call(self, *more, stdin=b"", model=None):
        args = command(["generate", "--model", model or self.world.teacher, *more])
        return subprocess.run(args, input=stdin, capture_output=True, env=ENVIRONMENT, timeout=60)


class Generate(GenerateCase):
    def well(self, *more, **settings):
        result = self.call(*more, **settings)
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        return result.stdout

    def json(self, *more, **settings):
        return json.loads(self.well(*more, "--json", **settings))

    def test_text_is_prompt_and_continuation(self):
        arguments = "--prompt", "ba ce di", "--max-new", "12", "--seed", "5"
        value = self.json(*arguments)
        self.assertEqual(list(value), ["prompt_ids", "ids", "text", "stop"])
        self.assertLessEqual(len(value["ids"]), 12)
        self.assertEqual(self.well(*arguments).decode(), "ba ce di" + value["text"] + "\n")
        self.assertEqual(self.json(*arguments), value)
        self.assertNotEqual(self.json(*arguments[:-1], "6")["ids"], value["ids"])

    def test_every_way_to_give_prompts(self):
        arguments = "--max-new", "9", "--temperature", "1.2", "--top-k", "50", "--top-p", "0.95"
        both = self.json("--prompt", "ba ce", "--prompt", "fo gu ka", *arguments)
        self.assertEqual(len(both), 2)
        for text, one in zip(["ba ce", "fo gu ka"], both):
            self.assertEqual(self.json("--prompt", text, *arguments), one)
            self.assertEqual(self.json(*arguments, stdin=text.encode()), one)
            self.assertEqual(self.json(*arguments, stdin=text.encode() + b"\n"), one)
            ids = ",".join(map(str, one["prompt_ids"]))
            self.assertEqual(self.json("--prompt-ids", ids, *arguments), one)
        self.assertEqual(self.json("--lines", *arguments, stdin=b"ba ce\nfo gu ka\n"), both)
        self.assertEqual(self.json("--prompt", "ba ce", "fo gu ka", "--batch", "1", *arguments), both)
        shown = self.well("--prompt", "ba ce", "fo gu ka", *arguments).decode()
        self.assertEqual(shown, "==> prompt 1 <==\nba ce%s\n\n==> prompt 2 <==\nfo gu ka%s\n"
                         % tuple(one["text"] for one in both))

    def test_stops(self):
        full = self.json("--prompt-ids", "1,2,3", "--max-new", "1000", "--stop-id", V + 5)
        self.assertEqual((full["stop"], len(full["ids"])), ("context", T - 3))
        self.assertEqual(self.json("--prompt-ids", "1,2,3", "--max-new", "0")["stop"], "max-new")
        greedy = "--prompt-ids", "1,2,3", "--temperature", "0", "--max-new", "8"
        free = self.json(*greedy)["ids"]
        end = next(i for i, id in enumerate(free) if id not in free[:i] and i > 0) if len(set(free)) > 1 else 0
        cut = self.json(*greedy, "--stop-id", free[end])
        self.assertEqual((cut["ids"], cut["stop"]), (free[:end + 1], "end-of-text"))

    def test_end_of_text_is_not_printed(self):
        """The token that documents end with is the most probable one somewhere."""
        many = self.json(*(part for i in range(40) for part in ("--prompt-ids", f"{i + 60},13,10")),
                         "--max-new", "28")
        ended = [one for one in many if one["stop"] == "end-of-text"]
        self.assertTrue(ended)
        for one in many:
            self.assertEqual(one["stop"] == "end-of-text", V - 1 in one["ids"])
            self.assertNotIn("endoftext", one["text"])

    def test_never_half_a_character(self):
        """A hot model gives bytes of every kind; what is written at once is whole characters."""
        arguments = "--prompt", "é€😀", "--temperature", "30", "--max-new", "29", "--stop-id", V
        split = 0
        for seed in range(3):
            value = self.json(*arguments, "--seed", seed)
            with tempfile.NamedTemporaryFile(dir=self.folder) as trace:
                result = subprocess.run(
                    ["strace", "-f", "-e", "trace=write", "-e", "write=1", "-xx", "-s", "200", "-o", trace.name,
                     *command(["generate", "--model", self.world.teacher, *arguments, "--seed", seed])],
                    capture_output=True, env=ENVIRONMENT, timeout=60)
                self.assertEqual(result.returncode, 0, result.stderr.decode())
                text = trace.read().decode()
            writes = [bytes.fromhex(one.replace("\\x", ""))
                      for one in re.findall(r'write\(1, "((?:\\x[0-9a-f]{2})*)"', text)]
            self.assertGreater(len(writes), 5, "it streams")
            self.assertEqual(b"".join(writes), result.stdout)
            for one in writes:
                one.decode()  # raises where a character is cut
            self.assertEqual(result.stdout.decode(), "é€😀" + value["text"] + "\n")
            split += any(128 <= id < 256 for id in value["ids"])
        self.assertGreater(split, 0)

    def test_students_and_ids_alone(self):
        """A model file has no tokenizer: ids in, ids out."""
        run_directory = self.world.uninterrupted
        best = run_directory / "best/rel.h5"
        one = self.json("--prompt-ids", "7,8", "--max-new", "5", model=best)
        self.assertIsNone(one["text"])
        same = self.json("--prompt-ids", "7,8", "--max-new", "5", model=f"{run_directory}:rel@best")
        self.assertEqual(one["ids"], same["ids"])
        named = self.json("--prompt-ids", "7,8", "--max-new", "5", "--tokenizer",
                          self.world.tokens / "tokenizer", model=best)
        self.assertEqual(named["text"], same["text"])

    def test_ranks(self):
        arguments = "generate", "--model", self.world.teacher, "--prompt", "ba ce", "--json", "--max-new", "5"
        alone = self.expect(run(*arguments), 0)
        two = self.expect(run(*arguments, ranks=2), 0)
        self.assertEqual(json.loads(alone.out), json.loads(two.out))
        self.assertIn("rank 0 works alone", two.err)


class Transformers(GenerateCase):
    def test_greedy_ids_are_those_of_transformers(self):
        python = os.environ.get("LRD_TORCH_PYTHON")
        if not python:
            self.skipTest("LRD_TORCH_PYTHON names no Python with torch and transformers")
        prompts, n = ["5,6,7", "270", "299,260,261,262,263,264,265,266,267", "40,41,42,43"], 20
        for run_directory, student in ((self.world.teacher, "teacher"), (self.world.uninterrupted, "sgd")):
            model = run_directory / f"best/{student}.h5"
            script = pathlib.Path(__file__).parent / "transformers_generate.py"
            theirs = subprocess.run([python, script, model, f"students/{student}/model", "2", str(n), *prompts],
                                    capture_output=True, text=True)
            self.assertEqual(theirs.returncode, 0, theirs.stderr)
            ours = self.call("--prompt-ids", *prompts, "--temperature", "0", "--max-new", n, "--json",
                             model=model)
            self.assertEqual(ours.returncode, 0, ours.stderr)
            self.assertEqual([one["ids"] for one in json.loads(ours.stdout)],
                             json.loads(theirs.stdout.splitlines()[-1]), student)


class Refusals(GenerateCase):
    def refused(self, code, words, *more, **settings):
        result = self.call(*more, **settings)
        said = [line for line in result.stderr.decode().splitlines() if line.startswith("lrd: ")]
        self.assertEqual((result.returncode, result.stdout, len(said)), (code, b"", 1), result.stderr)
        for word in words:
            self.assertIn(word, said[0])

    def test_prompts(self):
        self.refused(USAGE, ["prompt 1 is empty"], "--prompt", "")
        self.refused(USAGE, ["prompt 2 is empty"], "--prompt", "ba", "--prompt=")
        self.refused(USAGE, ["prompt 1 is empty"])
        self.refused(USAGE, ["stdin holds no prompt"], "--lines")
        self.refused(USAGE, ["prompt 1 has 33 tokens", str(self.world.teacher), "32"],
                     "--prompt-ids", ",".join(["5"] * (T + 1)))
        self.refused(USAGE, ["300", "[0, 300)", str(self.world.teacher)], "--prompt-ids", "1,300")
        self.refused(USAGE, ["99999999999999999999", "[0, 300)"], "--prompt-ids", "99999999999999999999")
        self.refused(USAGE, ["-1", "[0, 300)"], "--prompt-ids=-1")
        for bad in ("1,,2", "1,", "one", "1;2", "1 2"):
            self.refused(USAGE, [bad, "1,2,3"], "--prompt-ids", bad)
        self.refused(USAGE, ["prompt 1", "UTF-8"], stdin=b"ba \xff ce")
        self.refused(USAGE, ["exclude"], "--prompt", "ba", "--prompt-ids", "1")

    def test_settings(self):
        prompt = "--prompt", "ba"
        self.refused(USAGE, ["top_p", "above 0 to 1"], *prompt, "--top-p", "0")
        self.refused(USAGE, ["top_p", "1.01"], *prompt, "--top-p", "1.01")
        self.refused(USAGE, ["top_k", "-1"], *prompt, "--top-k", "-1")
        self.refused(USAGE, ["temperature", "-0.1"], *prompt, "--temperature", "-0.1")
        self.refused(USAGE, ["temperature"], *prompt, "--temperature", "nan")
        self.refused(USAGE, ["--model is missing"], *prompt, "--model=")

    def test_tokenizers(self):
        best = self.world.uninterrupted / "best/rel.h5"
        self.refused(USAGE, [str(best), "without a tokenizer", "--tokenizer"], "--prompt", "ba", model=best)
        self.refused(USAGE, ["without a tokenizer", "--json"], "--prompt-ids", "1", model=best)
        self.refused(MISSING, ["nowhere"], "--prompt", "ba", "--tokenizer", self.folder / "nowhere")
        tokens = self.folder / "tokens"
        self.expect(run("prepare", "--text", self.world.text, "--tokenizer", "train:280", "--out", tokens), 0)
        self.refused(BAD_DATA, ["280 tokens", "300", str(self.world.teacher)], "--prompt", "ba",
                     "--tokenizer", tokens / "tokenizer")

    def test_logits_that_are_no_numbers(self):
        damaged = self.folder / "damaged.h5"
        shutil.copy(self.world.teacher / "best/teacher.h5", damaged)
        with h5py.File(damaged, "r+") as file:
            file["students/teacher/model/ln_f.weight"][...] = 3e38
        self.refused(BAD_DATA, ["logit", "damaged"], "--prompt-ids", "1", "--json",
                     model=damaged)


if __name__ == "__main__":
    unittest.main()
