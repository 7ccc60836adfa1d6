# SPDX-License-Identifier: MIT
"""What paired times say about a ratio."""

import math
import statistics

# 97.5 % quantiles of Student's t by degrees of freedom.
T_975 = [math.inf, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201,
         2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064,
         2.060, 2.056, 2.052, 2.048, 2.045, 2.042]


def ratio(ours, theirs):
    """Geometric mean of theirs/ours over the rounds, with its 95 % interval by t on the logarithms;
    of one round it is unbounded."""
    logs = [math.log(b / a) for a, b in zip(ours, theirs)]
    n, mean = len(logs), statistics.fmean(logs)
    if n < 2:
        return math.exp(mean), 0.0, math.inf
    t = T_975[n - 1] if n <= len(T_975) else 1.96 + 2.5 / (n - 1)
    half = t * statistics.stdev(logs) / math.sqrt(n)
    return math.exp(mean), math.exp(mean - half), math.exp(mean + half)
