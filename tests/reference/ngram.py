#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Interpolated modified Kneser-Ney n-gram models on token ids: the floor under every model of lrd.

    ngram.py --tokens DIR [--train train] [--split test] [--orders 2,3,5] [--json]

Reads the token files of `lrd prepare` (data/README.md), counts the n-grams of one split and scores
another over the same targets as `lrd eval`: the split is one stream, every token but its first is a
target, end-of-text included, and the history crosses documents. numpy and h5py only.

Chen and Goodman 1999, "An empirical study of smoothing techniques for language modeling", eq. 25-27:

    p_k(w | h) = (c(hw) - D(c(hw)) + g(h) p_{k-1}(w | h')) / c(h)       h': h without its oldest token
    g(h)       = D_1 N_1(h) + D_2 N_2(h) + D_3 N_3+(h)                   N_j(h): words w with c(hw) = j

down to p_0 = 1/V; a history never seen leaves p_{k-1}. c counts occurrences in the highest order, and
in the lower ones the different tokens seen in front of the n-gram. Discounts (eq. 26), from n_j, the
n-grams with count j: Y = n_1 / (n_1 + 2 n_2), D_j = j - (j+1) Y n_{j+1} / n_j.
"""
import argparse
import json
import math
import pathlib
import re
import sys

import h5py
import numpy as np

UNSEEN = -1


def discounts(counts):
    """D_0 = 0, D_1, D_2, D_3+; (1/2, 1, 3/2) where the data are too few to estimate them."""
    n = [np.count_nonzero(counts == j) for j in range(5)]
    if min(n[1:]) > 0:
        y = n[1] / (n[1] + 2 * n[2])
        d = [j - (j + 1) * y * n[j + 1] / n[j] for j in (1, 2, 3)]
        if all(0 < d[j - 1] <= j for j in (1, 2, 3)):
            return np.array([0.0] + d)
    return np.array([0.0, 0.5, 1.0, 1.5])


class Smoothed:
    """Per n-gram (c - D(c)) / c(h), and per history g(h) / c(h), c(h)."""

    def __init__(self, counts, history, n_histories):
        discount = discounts(counts)[np.minimum(counts, 3)]
        self.total = np.bincount(history, weights=counts, minlength=n_histories)
        inside = self.total[history]
        with np.errstate(divide="ignore", invalid="ignore"):
            self.kept = np.where(counts > 0, (counts - discount) / inside, 0.0)
            freed = np.bincount(history, weights=discount, minlength=n_histories)
            self.freed = np.where(self.total > 0, freed / self.total, 1.0)


class Level:
    """The k-grams of the training stream, k = `order`: a k-gram's id is the rank of its key
    id(its first k-1 tokens)·V + its last token, so that no key outgrows 64 bits at any V and k."""

    def __init__(self, tokens, vocabulary, before):
        self.vocabulary = vocabulary
        self.order = 1 if before is None else before.order + 1
        if before is None:
            keys, n_histories = tokens, 1
        else:
            keys = before.ids[:-1] * vocabulary + tokens[self.order - 1:]
            n_histories = before.size
        # ids: of the k-gram that ends at position k-1, k, … of the stream
        self.keys, first, self.ids, counts = np.unique(
            keys, return_index=True, return_inverse=True, return_counts=True)
        self.size = self.keys.size
        self.history = self.keys // vocabulary if before else np.zeros(self.size, np.int64)
        self.n_histories = n_histories
        self.highest = Smoothed(counts, self.history, n_histories)
        self.lower = None
        if before is not None:
            # Each k-gram is one more different token in front of its last k-1 tokens.
            suffix = before.ids[1:][first]
            before.lower = Smoothed(np.bincount(suffix, minlength=before.size), before.history,
                                    before.n_histories)

    def find(self, histories, words):
        """Ids of (history, word); UNSEEN where either was never seen."""
        keys = histories * self.vocabulary + words
        at = np.minimum(np.searchsorted(self.keys, keys), self.size - 1)
        found = (self.keys[at] == keys) & (histories >= 0) & (words >= 0)
        return np.where(found, at, UNSEEN)


class KneserNey:
    """All orders up to `highest` at once."""

    def __init__(self, tokens, vocabulary, highest):
        if tokens.size <= highest:
            raise ValueError(f"{tokens.size} tokens are too few for {highest}-grams")
        self.vocabulary = vocabulary
        self.levels = []
        for _ in range(highest):
            self.levels.append(Level(tokens, vocabulary, self.levels[-1] if self.levels else None))

    def probabilities(self, windows, order):
        """p(last column | columns before); windows (n, order), -1 = before the stream's first."""
        n = windows.shape[0]
        p = np.full(n, 1.0 / self.vocabulary)
        for k in range(1, order + 1):
            level = self.levels[k - 1]
            smoothed = level.highest if k == order else level.lower
            history = self.find_ids(windows[:, order - k:order - 1])
            gram = level.find(history, windows[:, -1])
            safe = np.maximum(history, 0)
            freed = np.where(history >= 0, smoothed.freed[safe], 1.0)
            kept = np.where(gram >= 0, smoothed.kept[np.maximum(gram, 0)], 0.0)
            p = kept + freed * p
        return p

    def find_ids(self, grams):
        """Ids of the rows of `grams` (n, k-1); the empty history is 0."""
        ids = np.zeros(grams.shape[0], np.int64)
        for j in range(grams.shape[1]):
            ids = self.levels[j].find(ids, grams[:, j])
        return ids

    def stream_nll(self, stream, order):
        """Nats of every token of `stream` but the first, given up to order - 1 tokens before it."""
        padded = np.concatenate([np.full(order - 1, UNSEEN, np.int64), stream])
        windows = np.lib.stride_tricks.sliding_window_view(padded, order)[1:]
        return -np.log(self.probabilities(windows, order))


def read_split(folder, split):
    """Tokens (n) i64, and the sums: V, bytes, words of all shards of a split."""
    paths = sorted(path for path in pathlib.Path(folder).iterdir()
                   if re.fullmatch(re.escape(split) + r"-\d{5}\.h5", path.name))
    if not paths:
        sys.exit(f"ngram: no {split}-NNNNN.h5 in {folder}; `lrd prepare` writes them")
    pieces, n_bytes, words = [], 0, 0
    for path in paths:
        with h5py.File(path, "r") as shard:
            pieces.append(shard["/tokens"][:].astype(np.int64))
            n_bytes += int(shard["/doc_bytes"][:].sum())
            words += int(shard["/doc_words"][:].sum())
            vocabulary = int(shard.attrs["vocab_size"])
    return np.concatenate(pieces), vocabulary, n_bytes, words


def result(model, order, stream, n_bytes, words, split):
    """The keys of `lrd eval --json`."""
    nll = model.stream_nll(stream, order)
    total = float(nll.sum())
    return {"model": f"{order}-gram", "order": order, "nll": total / nll.size, "tokens": nll.size,
            "bytes": n_bytes, "words": words, "token_perplexity": math.exp(total / nll.size),
            "word_perplexity": math.exp(total / words), "byte_perplexity": math.exp(total / n_bytes),
            "bits_per_byte": total / n_bytes / math.log(2), "split": split,
            "parameters": sum(level.size for level in model.levels[:order])}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", required=True, help="folder that `lrd prepare` wrote")
    parser.add_argument("--train", default="train", help="split that is counted")
    parser.add_argument("--split", default="test", help="split that is scored")
    parser.add_argument("--orders", default="2,3,5")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    orders = [int(order) for order in options.orders.split(",")]
    tokens, vocabulary, _, _ = read_split(options.tokens, options.train)
    stream, _, n_bytes, words = read_split(options.tokens, options.split)
    model = KneserNey(tokens, vocabulary, max(orders))
    rows = [result(model, order, stream, n_bytes, words, options.split) for order in orders]
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{'model':<8} {'nll':>8} {'bits/byte':>10} {'word perplexity':>16}")
    for row in rows:
        print(f"{row['model']:<8} {row['nll']:8.4f} {row['bits_per_byte']:10.4f} "
              f"{row['word_perplexity']:16.1f}")


if __name__ == "__main__":
    main()
