# SPDX-License-Identifier: MIT
"""tokenizer.py PROGRAMS [--rounds R] [--megabytes M]: our tokenizer against tiktoken and Hugging Face.

Both sides take turns; a figure is the median over the rounds, with the processor's time of the
slowest thread (what a quiet machine would need) and the clock's. Encoding uses GPT-2's vocabulary and
must give the same ids; training learns 8192 tokens from WikiText-2, and merges_equal.py compares the
merges. Fails where ids differ or a bar is missed.
"""
import argparse
import hashlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import numpy
import tiktoken
from tiktoken.load import data_gym_to_mergeable_bpe_ranks
from tiktoken_ext.openai_public import r50k_pat_str

import corpora

DATA = pathlib.Path(os.environ["LRD_DATA"])
CHUNK = 1 << 20


def gpt2():
    ranks = data_gym_to_mergeable_bpe_ranks(str(DATA / "gpt2-bpe/vocab.bpe"),
                                            str(DATA / "gpt2-bpe/encoder.json"))
    return tiktoken.Encoding("gpt2", explicit_n_vocab=50257, pat_str=r50k_pat_str,
                             mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 50256})


def chunks(text):
    """Parts whose ids, joined, are those of the whole: cut before a blank after a letter."""
    at = 0
    while at < len(text):
        end = min(at + CHUNK, len(text))
        while end < len(text) and not (text[end] == " " and text[end - 1].isalpha()):
            end += 1
        yield text[at:end]
        at = end


def tiktoken_times(encoding, parts, threads):
    """Seconds of the clock and of the slowest thread's processor time, and the ids' digest."""
    ids = [None] * len(parts)
    cpu = [0.0] * threads

    def work(thread):
        start = time.thread_time()
        for i in range(len(parts) * thread // threads, len(parts) * (thread + 1) // threads):
            ids[i] = encoding.encode_to_numpy(parts[i], disallowed_special=())  # its fastest call
        cpu[thread] = time.thread_time() - start

    workers = [threading.Thread(target=work, args=(i,)) for i in range(threads)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    wall = time.perf_counter() - start
    digest = hashlib.sha256()
    for one in ids:
        digest.update(one.astype(numpy.int32).tobytes())
    return wall, max(cpu), digest.hexdigest()


def our_times(programs, path, threads):
    out = subprocess.run([programs / "encode_speed", DATA / "gpt2-bpe", path, str(threads)],
                         check=True, capture_output=True, text=True).stdout
    result = json.loads(out)
    return result["wall_s"], result["cpu_s"], result["sha256"]


def compare_encoding(name, path, programs, encoding, rounds):
    text = path.read_text(encoding="utf-8")
    size = len(text.encode())
    parts = list(chunks(text))
    words = len(set(text.split(" ")))
    print(f"\n{name}: {size / 1e6:.1f} MB, {words} distinct words; MB/s, medians of {rounds}")
    print(f"{'':>8} {'processor time of a thread':^29}   {'clock':^29}")
    print(f"{'threads':>8}" + f" {'tiktoken':>10} {'lrd':>10} {'ratio':>7}  " * 2)
    rates = {}
    good = True
    for threads in (1, 2):
        times = {"tiktoken": [], "lrd": []}
        for _ in range(rounds):
            theirs = tiktoken_times(encoding, parts, threads)
            ours = our_times(programs, path, threads)
            good = good and theirs[2] == ours[2]
            times["tiktoken"].append(theirs)
            times["lrd"].append(ours)
        for clock, column in (("cpu", 1), ("wall", 0)):
            for side, rows in times.items():
                rates[side, threads, clock] = size / 1e6 / statistics.median(r[column] for r in rows)
        line = f"{threads:>8}"
        for clock in ("cpu", "wall"):
            theirs, ours = rates["tiktoken", threads, clock], rates["lrd", threads, clock]
            line += f" {theirs:>10.1f} {ours:>10.1f} {ours / theirs:>7.2f}  "
        print(line)
    for clock in ("cpu", "wall"):
        gain = rates["lrd", 2, clock] / rates["lrd", 1, clock]
        both = rates["lrd", 2, clock] / rates["tiktoken", 1, clock]
        print(f"two threads of lrd ({clock}): {gain:.2f} x one, {both:.2f} x one of tiktoken")
    if not good:
        print("the ids differ")
    return (good and rates["lrd", 1, "cpu"] >= rates["tiktoken", 1, "cpu"]
            and rates["lrd", 2, "cpu"] >= 1.8 * rates["tiktoken", 1, "cpu"])


def compare_training(programs, rounds, folder):
    text = DATA / "wikitext-2/wiki.train.tokens"
    times = {"tokenizers": [], "lrd": []}
    here = pathlib.Path(__file__).parent
    for side in times:
        (folder / side).mkdir()
    for _ in range(rounds):
        for side, command in (
                ("tokenizers", [sys.executable, here / "train_hf.py", text, "8192", "2"]),
                ("lrd", [programs / "train_speed", text, "8192", "2"])):
            out = subprocess.run([*command, folder / side], check=True, capture_output=True, text=True)
            times[side].append(json.loads(out.stdout)["all"])
    print(f"\ntraining 8192 tokens on WikiText-2, 2 threads; seconds, medians of {rounds}")
    print(f"{'':>10} {'tokenizers':>10} {'lrd':>10} {'ratio':>7}")
    ratios = {}
    for clock in ("wall_s", "cpu_s"):
        theirs, ours = (statistics.median(one[clock] for one in times[side])
                        for side in ("tokenizers", "lrd"))
        ratios[clock] = theirs / ours
        print(f"{clock:>10} {theirs:>10.3f} {ours:>10.3f} {ratios[clock]:>7.2f}")
    equal = subprocess.run([sys.executable, here / "merges_equal.py", text, folder / "lrd",
                            folder / "tokenizers"], check=False).returncode == 0
    return equal and min(ratios.values()) >= 1


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=float, default=200)
    options = parser.parse_args()
    encoding = gpt2()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        good = compare_encoding("WikiText-2", DATA / "wikitext-2/wiki.train.tokens",
                                options.programs, encoding, options.rounds)
        for text, share in (("mixed", 0.05), ("many words", 0.33)):
            path = folder / "text"
            corpora.make(DATA, options.megabytes * 1e6 * (1 if text == "mixed" else 0.2), share, path)
            good &= compare_encoding(text, path, options.programs, encoding, options.rounds)
        good &= compare_training(options.programs, options.rounds, folder)
    print("all bars met" if good else "A BAR IS MISSED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
