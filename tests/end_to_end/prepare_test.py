# SPDX-License-Identifier: MIT
"""`lrd prepare`: the same bytes on any number of ranks, kills at any moment, bad inputs on two ranks."""
import gzip
import json
import random
import shutil
import subprocess
import time
import unittest

from harness import DENSE, SYLLABLES, Case, Running, fingerprint, run

USAGE, BAD_DATA, MISSING, BUSY, IO = 64, 65, 66, 73, 74


def documents(count, seed=1):
    draw = random.Random(seed)
    words = ["".join(draw.choices(SYLLABLES, k=draw.randint(1, 3))) for _ in range(400)]
    return ["".join(" ".join(draw.choices(words, k=draw.randint(1, 15))) + ".\n"
                    for _ in range(draw.randint(1, 40))) for _ in range(count)]


class Prepare(Case):
    def setUp(self):
        super().setUp()
        self.out = self.folder / "out"
        self.text = self.folder / "text.txt"
        self.text.write_text("\n".join(documents(4000)))

    def prepare(self, *more, ranks=None, out=None, text=None, tokenizer="train:300"):
        return run("prepare", "--text", *(text or [self.text]), "--tokenizer", tokenizer, "--out",
                   out or self.out, *more, ranks=ranks, cwd=self.folder)

    def leftovers(self):
        return [p.name for p in self.folder.iterdir() if p.name.startswith(".")]

    # ------------------------------------------------------------ ranks

    def test_ranks_do_not_matter(self):
        """Plain, compressed and jsonl files; splits by fraction and file; no leftovers."""
        packed = self.folder / "more.gz"
        packed.write_bytes(gzip.compress("\n".join(documents(800, seed=2)).encode()) +
                           gzip.compress(b"\nsecond member \xff\n"))
        other = self.folder / "probe.txt"
        other.write_text("\n".join(documents(50, seed=3)))
        first = None
        for ranks, threads in ((1, 1), (2, 1), (4, 1), (1, 3), (2, 2)):
            out = self.folder / f"out-{ranks}-{threads}"
            self.expect(self.prepare("--documents", "blank-line", "--val", "0.1", "--split",
                                     f"probe={other}", "--dedup", "--threads", threads, ranks=ranks,
                                     out=out, text=[self.text, packed]), 0)
            files = fingerprint(out)
            first = first or files
            self.assertEqual(files, first, f"{ranks} ranks, {threads} threads")
            self.assertEqual(self.leftovers(), [])
        self.assertGreater(sum(name.endswith(".h5") for name in map(str, first)), 4)

    def test_jsonl_ranks_do_not_matter(self):
        lines = self.folder / "text.jsonl"
        lines.write_text("".join(json.dumps({"id": i, "body": text}) + "\n"
                                 for i, text in enumerate(documents(3000))))
        for ranks in (1, 2):
            self.expect(self.prepare("--documents", "jsonl", "--json-key", "body", "--val", "0.1",
                                     ranks=ranks, out=self.folder / f"j{ranks}", text=[lines]), 0)
        self.assertEqual(fingerprint(self.folder / "j1"), fingerprint(self.folder / "j2"))

    # ------------------------------------------------------------ kills

    def test_killed_at_any_moment(self):
        """Nothing that train accepts is left; the same command makes what an undisturbed one does."""
        options = ["prepare", "--text", self.text, "--tokenizer", "train:400", "--documents", "blank-line",
                   "--val", "0.1", "--threads", "1", "--out"]
        whole = self.folder / "whole"
        start = time.monotonic()
        self.expect(run(*options, whole, ranks=2), 0)
        seconds = time.monotonic() - start
        draw = random.Random(7)
        hidden = self.folder / ".lrd-out" / "result"
        shards = len(list(whole.glob("*.h5")))
        killed = 0
        for attempt in range(8):
            running = Running(*options, self.out, ranks=2)
            if attempt % 2:
                time.sleep(draw.uniform(0.1, 0.9) * seconds)
            else:  # all shards are there, the folder is not finished
                while running.process.poll() is None and len(list(hidden.glob("*.h5"))) < shards:
                    time.sleep(0.001)
            if running.process.poll() is None:
                running.kill()
                killed += 1
            running.wait()
            time.sleep(0.05)
            for folder in (self.out, hidden):
                if folder.exists() and not (folder / "prepare.json").exists():
                    config = self.config([DENSE], steps=1)
                    result = run("train", config, f"--data.tokens={folder}", "--out", self.folder / "run")
                    self.assertIn(result.code, (BAD_DATA, MISSING), result)
            if self.out.exists():  # it was faster than the kill
                self.assertEqual(fingerprint(self.out), fingerprint(whole))
                shutil.rmtree(self.out)
        self.assertGreaterEqual(killed, 3)
        self.expect(run(*options, self.out), 0)
        self.assertEqual(fingerprint(self.out), fingerprint(whole))
        self.assertEqual(self.leftovers(), [])

    def test_unchanged_is_quick_and_untouched(self):
        self.expect(self.prepare("--val", "0.1"), 0)
        times = {p: p.stat().st_mtime_ns for p in self.out.rglob("*")}
        before = fingerprint(self.out)
        for ranks in (None, 2):
            result = self.expect(self.prepare("--val", "0.1", ranks=ranks), 0)
            self.assertIn("nothing to do", result.err)
            self.assertEqual({p: p.stat().st_mtime_ns for p in self.out.rglob("*")}, times)
        self.text.write_text(self.text.read_text().replace("ba", "be", 1))
        result = self.expect(self.prepare("--val", "0.1", ranks=2), BUSY)
        self.assertIn("text.txt has other contents than before", result.sentences()[0])
        self.assertEqual(len(result.sentences()), 1, result)
        self.assertEqual(fingerprint(self.out), before)

    # ------------------------------------------------------------ bad input

    def refused(self, code, words, *more, **settings):
        before = fingerprint(self.folder)
        result = self.expect(self.prepare(*more, ranks=2, **settings), code)
        self.assertEqual(len(result.sentences()), 1, result)
        for word in words:
            self.assertIn(word, result.sentences()[0])
        self.assertEqual(fingerprint(self.folder), before)
        self.assertEqual(self.leftovers(), [])

    def test_refuses_bad_input(self):
        cut = self.folder / "cut.gz"
        cut.write_bytes(gzip.compress(self.text.read_bytes())[:-2000])
        self.refused(BAD_DATA, ["cut.gz", "gzip"], text=[self.text, cut])
        bad = self.folder / "bad.jsonl"
        bad.write_text('{"text": "a"}\n{"text": "b"\n')
        self.refused(BAD_DATA, ["bad.jsonl:2"], "--documents", "jsonl", text=[bad])
        bad.write_text('{"text": "a"}\n\n{"body": "b"}\n')
        self.refused(BAD_DATA, ["bad.jsonl:3", "--json-key"], "--documents", "jsonl", text=[bad])
        bad.write_text('{"text": "a"}\n{"text": null}\n')
        self.refused(BAD_DATA, ["bad.jsonl:2", "no text"], "--documents", "jsonl", text=[bad])
        self.refused(USAGE, ["asked for twice"], "--split", "a=0.1", "--split", "a=0.2")
        self.refused(USAGE, ["add up to 1.2"], "--split", "a=0.6", "--split", "b=0.6")
        self.refused(USAGE, ["folder"], text=[self.folder])
        self.refused(USAGE, ["plain file"], text=["/dev/null"])
        self.refused(MISSING, ["gone.txt"], text=[self.text, self.folder / "gone.txt"])
        self.refused(USAGE, ["too few"], "--documents", "file", "--val", "0.1")
        self.out.mkdir()
        (self.out / "thesis.tex").write_text("all of it")
        self.refused(BUSY, ["thesis.tex"], "--overwrite")

    def test_full_disk(self):
        """On a disk of a few sizes, so that another pass fills it: one sentence, nothing left behind."""
        small = self.folder / "small"
        small.mkdir()
        if subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", small],
                          capture_output=True).returncode:
            self.skipTest("no right to mount")
        # The last one fills up inside HDF5, which must not crash at exit.
        big = self.folder / "big.txt"
        big.write_text("".join(f"{i} {i * i} {i % 97}\n\n" for i in range(100000)))
        for text, rule, size, ranks in ((self.text, "blank-line", "300k", 2), (self.text, "blank-line", "900k", 2),
                                        (big, "file", "1m", None)):
            script = f'mount -t tmpfs -o size={size} none "$0"; "$@"; code=$?; ls -A "$0"; exit $code'
            result = self.expect(run("prepare", "--text", text, "--tokenizer", "train:300",
                                     "--documents", rule, "--out", small / "out", ranks=ranks,
                                     prefix=["unshare", "-m", "sh", "-c", script, small]), IO)
            self.assertEqual(len(result.sentences()), 1, result)
            self.assertIn("No space left on device", result.sentences()[0])
            self.assertEqual(result.out, "")


if __name__ == "__main__":
    unittest.main()
