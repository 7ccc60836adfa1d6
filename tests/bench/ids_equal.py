# SPDX-License-Identifier: MIT
"""ids_equal.py ENCODE_SPEED: our ids are tiktoken's on corpora and on random Unicode text.

Only characters that Python's Unicode tables know: the two sides may know different versions.
"""
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import unicodedata

import tokenizer  # beside this script

BLANKS = " \t\n\r\v\f\x85\xa0\u1680\u2003\u2028\u2029\u202f\u205f\u3000"
PARTS = [*BLANKS, " ", "  ", "\r\n", "'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "\u2019s", "a",
         "the", " the", "12", "½", "é", "e\u0301", "日本", "ไทย", "क्षि", "🙂", "👨\u200d👩", "...", "--",
         "<|endoftext|>", "\0"]


def random_text(seed, parts):
    rng = random.Random(seed)
    known = [chr(c) for c in range(0x20000) if unicodedata.category(chr(c)) not in ("Cn", "Cs")]
    return "".join(rng.choice(known) * rng.choice((1, 1, 3)) if rng.random() < 0.2
                   else rng.choice(PARTS) for _ in range(parts))


def main():
    program = pathlib.Path(sys.argv[1])
    encoding = tokenizer.gpt2()
    texts = {name: (tokenizer.DATA / name).read_bytes().decode()
             for name in ("wikitext-2/wiki.test.raw", "ptb/ptb.valid.txt")}
    texts |= {f"random {seed}": random_text(seed, 60000) for seed in range(3)}
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "text"
        for name, text in texts.items():
            path.write_bytes(text.encode())
            theirs = tokenizer.tiktoken_times(encoding, [text], 1)[2]
            for threads in ("1", "3"):
                out = subprocess.run([program, tokenizer.DATA / "gpt2-bpe", path, threads],
                                     check=True, capture_output=True, text=True).stdout
                equal = json.loads(out)["sha256"] == theirs
                failed |= not equal
                print(f"{name}, {len(text)} characters, {threads} threads: "
                      f"{'equal' if equal else 'DIFFERENT'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
