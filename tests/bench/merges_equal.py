# SPDX-License-Identifier: MIT
"""merges_equal.py TEXT OURS THEIRS: two tokenizers (folders) are equals, trained on TEXT by lines.

Replays the merges of each folder on the counts of TEXT, and proves at every step that the merge is
the one its rule demands: of the pairs with the highest count, ours takes the greatest byte strings
(left, then right), Hugging Face's the smallest ids. So both follow the same definition and part
only where counts are equal.
"""
import collections
import heapq
import json
import pathlib
import sys

from tokenizers import pre_tokenizers


def byte_letters():
    """GPT-2's printable letter of each byte."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = [byte for byte in range(256) if byte not in kept]
    letters = {byte: chr(byte) for byte in kept}
    letters.update({byte: chr(256 + i) for i, byte in enumerate(moved)})
    return letters


class Replay:
    """Counts of pairs while merges are applied."""

    def __init__(self, pieces, ids):
        self.ids = ids
        self.words = [[ids[letter] for letter in piece] for piece in pieces]
        self.weights = list(pieces.values())
        self.counts = collections.Counter()
        self.places = collections.defaultdict(set)
        for index in range(len(self.words)):
            self.count(index, 1)
        self.heap = [(-count, pair) for pair, count in self.counts.items()]
        heapq.heapify(self.heap)

    def count(self, index, sign):
        word = self.words[index]
        for pair in zip(word, word[1:]):
            self.counts[pair] += sign * self.weights[index]
            if sign > 0:
                self.places[pair].add(index)

    def best(self):
        """The highest count, and all pairs that have it."""
        pairs = []
        while self.heap and (not pairs or self.heap[0][0] == -self.counts[pairs[0]]):
            count, pair = heapq.heappop(self.heap)
            if self.counts[pair] == -count and pair not in pairs:
                pairs.append(pair)
        for pair in pairs:
            heapq.heappush(self.heap, (-self.counts[pair], pair))
        return self.counts[pairs[0]], pairs

    def merge(self, pair, merged):
        touched = set()
        for index in self.places.pop(pair):
            self.count(index, -1)
            word, out, i = self.words[index], [], 0
            while i < len(word):
                hit = i + 1 < len(word) and (word[i], word[i + 1]) == pair
                out.append(merged if hit else word[i])
                i += 2 if hit else 1
            self.words[index] = out
            touched.update(zip(word, word[1:]), zip(out, out[1:]))
            self.count(index, 1)
        for one in touched:
            if self.counts[one] > 0:
                heapq.heappush(self.heap, (-self.counts[one], one))


def pieces_of(path):
    """Counts of GPT-2's pieces, in byte letters, each line a text of its own."""
    splitter = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces = collections.Counter()
    with open(path, encoding="utf-8", newline="") as text:
        for line in text:
            pieces.update(piece for piece, _ in splitter.pre_tokenize_str(line))
    return pieces


def check(folder, pieces, rule):
    """The merges, each proven to be what `rule` (a key, least first) demands, and the steps with ties."""
    ids = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    names = {i: name for name, i in ids.items()}
    replay = Replay(pieces, ids)
    lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
    ties = 0
    for number, line in enumerate(lines[1:], 2):
        left, right = line.split(" ")
        pair = (ids[left], ids[right])
        count, pairs = replay.best()
        wanted = min(pairs, key=lambda one: rule(one, names))
        if pair != wanted:
            sys.exit(f"{folder}/merges.txt:{number}: {line} stands {replay.counts[pair]} times; "
                     f"{names[wanted[0]]} {names[wanted[1]]} stands {count} times")
        ties += len(pairs) > 1
        replay.merge(pair, ids[left + right])
    return lines[1:], ties


def main():
    text, ours, theirs = (pathlib.Path(name) for name in sys.argv[1:])
    pieces = pieces_of(text)
    byte_of = {letter: byte for byte, letter in byte_letters().items()}

    def greatest_bytes(pair, names):
        # The least of complements, with an end that is greater than all, is the greatest.
        return [[255 - byte_of[letter] for letter in names[i]] + [256] for i in pair]

    def smallest_ids(pair, _):
        return pair

    one = check(ours, pieces, greatest_bytes)
    two = check(theirs, pieces, smallest_ids)
    same = len(set(one[0]) & set(two[0]))
    print(f"{len(one[0])} and {len(two[0])} merges, each the most frequent pair of its step; "
          f"{one[1]} and {two[1]} steps had several; {same} merges are in both")


if __name__ == "__main__":
    main()
