# SPDX-License-Identifier: MIT
"""Large texts for timing, made from WikiText-2 and Penn Treebank with invented words in between.

Repeating a small corpus would flatter an encoder that remembers words: `mixed` invents 5 % of its
words, which gives 200 MB as many distinct words as such a text has (some 500,000), `many words` every
third.
"""
import collections
import pathlib
import random


class Inventor:
    """Words by the letters that follow two letters in a text."""

    def __init__(self, text, seed):
        self.random = random.Random(seed)
        follow = collections.defaultdict(collections.Counter)
        for word, count in collections.Counter(text.split()).items():
            padded = f"^^{word}$"
            for i in range(2, len(padded)):
                follow[padded[i - 2:i]][padded[i]] += count
        self.follow = {pair: (list(c), list(c.values())) for pair, c in follow.items()}

    def word(self):
        word = "^^"
        while len(word) < 24:
            letters, weights = self.follow[word[-2:]]
            letter = self.random.choices(letters, weights)[0]
            if letter == "$":
                break
            word += letter
        return word[2:]


def make(data, size, share, path):
    """Writes `size` bytes of shuffled lines to `path`, of whose words a `share` is invented."""
    lines = []
    for name in ("wikitext-2/wiki.train.tokens", "wikitext-2/wiki.valid.tokens",
                 "wikitext-2/wiki.test.raw", "ptb/ptb.train.txt", "ptb/ptb.valid.txt"):
        text = (pathlib.Path(data) / name).read_text(encoding="utf-8")
        lines += [line for line in text.split("\n") if line.strip()]
    inventor = Inventor("\n".join(lines[::10]), seed=1)
    rng = random.Random(2)
    written = 0
    with open(path, "wb") as out:
        while written < size:
            rng.shuffle(lines)
            for line in lines:
                words = line.split(" ")
                for _ in range(round(len(words) * share + rng.random() - 0.5)):
                    words[rng.randrange(len(words))] = inventor.word()
                raw = (" ".join(words) + "\n").encode()
                written += out.write(raw)
                if written >= size:
                    break
