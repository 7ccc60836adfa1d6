#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ngram.py against its definition: sums to one, a case by hand, and a plain recursion on dicts."""
import collections
import sys
import unittest

import numpy as np

from ngram import KneserNey, discounts


def plain_probability(tokens, vocabulary, history, word, order):
    """The same formula with dictionaries, straight from the definition."""
    def grams(k):
        return [tuple(tokens[i:i + k]) for i in range(len(tokens) - k + 1)]

    def counts(k):
        if k == order:
            return collections.Counter(grams(k))
        return collections.Counter(gram[1:] for gram in set(grams(k + 1)))

    def p(k):
        if k == 0:
            return 1.0 / vocabulary
        table = counts(k)
        h = tuple(history[len(history) - k + 1:])
        d = discounts(np.array(list(table.values())))
        row = {gram[-1]: c for gram, c in table.items() if gram[:-1] == h}
        if not row:
            return p(k - 1)
        c = row.get(word, 0)
        freed = sum(d[min(n, 3)] for n in row.values())
        return (c - d[min(c, 3)] + freed * p(k - 1)) / sum(row.values())

    return p(order)


class NgramTest(unittest.TestCase):
    def setUp(self):
        rng = np.random.default_rng(1)
        # Zipf-like ids with some structure, so that all of n_1 … n_4 occur at every order.
        ids = np.minimum(rng.zipf(1.5, 4000) - 1, 28)
        ids[1::2] = (ids[::2] * 3 + rng.integers(0, 3, ids[::2].size)) % 29
        self.tokens, self.vocabulary = ids, 31  # ids 29 and 30 never occur
        self.model = KneserNey(ids, self.vocabulary, 5)
        self.rng = rng

    def histories(self, order):
        seen = [self.tokens[at:at + order - 1] for at in self.rng.integers(0, 3900, 6)]
        drawn = list(self.rng.integers(0, self.vocabulary, (6, order - 1)))
        first = [np.concatenate([[-1] * (order - 2), [3]])]  # at the second token of a stream
        return [np.asarray(h, np.int64) for h in seen + drawn + first]

    def test_sums_to_one_over_the_vocabulary(self):
        for order in (2, 3, 5):
            for history in self.histories(order):
                windows = np.column_stack([np.tile(history, (self.vocabulary, 1)),
                                           np.arange(self.vocabulary)])
                p = self.model.probabilities(windows, order)
                self.assertAlmostEqual(p.sum(), 1.0, places=12)
                self.assertGreater(p.min(), 0.0)

    def test_equals_the_plain_recursion(self):
        tokens = list(map(int, self.tokens))
        for order in (1, 2, 3, 5):
            for history in self.histories(max(order, 2))[:8]:
                history = history[max(order, 2) - order:]
                word = int(self.rng.integers(0, self.vocabulary))
                window = np.concatenate([history, [word]])[None, :]
                expected = plain_probability(tokens, self.vocabulary, list(map(int, history)), word,
                                             order)
                self.assertAlmostEqual(self.model.probabilities(window, order)[0], expected,
                                       places=12)

    def test_by_hand(self):
        # 0 1 0 1 0 2, V = 4: bigrams 01:2 10:2 02:1; too few for eq. 26, so D = 1/2, 1, 3/2.
        # Different tokens in front of 0: {1}, of 1: {0}, of 2: {0}, of 3: none; sum 3.
        # p_1(w) = (1 - 1/2 + 3/2 · 1/4) / 3 = 7/24 for w = 0, 1, 2, and 3/2 · 1/4 / 3 = 1/8 for 3.
        # After 0: c = 3, freed D_2 + D_1 = 3/2:
        #   p(1|0) = (2 - 1 + 3/2 · 7/24) / 3 = 23/48     p(2|0) = (1 - 1/2 + 7/16) / 3 = 15/48
        #   p(0|0) = (3/2 · 7/24) / 3 = 7/48              p(3|0) = (3/2 · 1/8) / 3 = 3/48
        # After 2, which never had a successor: p_1.
        model = KneserNey(np.array([0, 1, 0, 1, 0, 2]), 4, 2)
        windows = np.array([[0, 0], [0, 1], [0, 2], [0, 3], [2, 1]])
        np.testing.assert_allclose(model.probabilities(windows, 2),
                                   np.array([7 / 48, 23 / 48, 15 / 48, 3 / 48, 7 / 24]), rtol=1e-14)

    def test_every_token_but_the_first_is_scored(self):
        stream = self.tokens[:50]
        nll = self.model.stream_nll(stream, 3)
        self.assertEqual(nll.size, 49)
        p = self.model.probabilities(np.array([[-1, stream[0], stream[1]]]), 3)
        self.assertAlmostEqual(nll[0], -np.log(p[0]))
        p = self.model.probabilities(stream[None, 9:12], 3)
        self.assertAlmostEqual(nll[10], -np.log(p[0]))


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    unittest.main()
