"""Confidence intervals of accuracies, and tests for differences on the same videos: exact formulas, no sampling.

Videos are assumed to be independent of each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Z95 = 1.959963984540054
"""Standard normal quantile for a 95 % interval."""
ALPHA = 0.05
"""Significance level."""


def wilson(hits: float, n: int) -> tuple[float, float] | None:
    """95 % confidence interval of an accuracy (Wilson, 1927; the score interval of Brown, Cai, DasGupta, 2001).

    Unlike ``p +- 1.96 sqrt(p q / n)``, it is always inside 0..1, and it has a positive width for 0 and 1.

    Args:
        hits: number of correct predictions; not an integer if it is a mean over several runs on the same videos.
        n: number of videos; the interval is None for 0.
    """
    if n == 0:
        return None
    accuracy, z2 = hits / n, Z95 * Z95
    middle = (accuracy + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(accuracy * (1 - accuracy) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p-value of the exact McNemar test (McNemar, 1947) for a difference between two sets of predictions.

    Videos that are correct in both sets, or wrong in both, do not count. If there is no difference, each of the other
    videos is correct in either set with probability 1/2, so the smaller count has a binomial distribution.

    Args:
        only_first, only_second: number of videos that are correct only in this set of predictions.
    """
    n = only_first + only_second
    term, total = 1, 0  # integers, so there is no rounding for any number of videos
    for k in range(min(only_first, only_second) + 1):
        total += term
        term = term * (n - k) // (k + 1)
    return min(1.0, 2 * total / 2**n)


def combined(p_values: Sequence[float]) -> float:
    """One p-value for several tests of the same hypothesis on the same videos, for any dependence between the tests.

    The median of the K p-values, times K and divided by its rank (Rueger, 1978): 5/3 of the median for five tests.
    """
    rank = (len(p_values) + 1) // 2
    return min(1.0, sorted(p_values)[rank - 1] * len(p_values) / rank)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust the p-values of several hypotheses for multiple testing, in the given order (Holm, 1979).

    With a significance level alpha, the probability of at least one false positive is then at most alpha.
    """
    adjusted, largest = [1.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, p_values[i] * (len(p_values) - rank)))
        adjusted[i] = largest
    return adjusted
