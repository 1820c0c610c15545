"""How sure a share is, and whether two shares of the same videos differ: exact formulas, nothing sampled.

Videos are taken as independent of each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Z95 = 1.959963984540054
"""Standard normal quantile of a 95 % interval."""
ALPHA = 0.05
"""What is called a difference: it would come about by chance at most this often."""


def wilson(hits: float, n: int) -> tuple[float, float] | None:
    """95 % interval of a share (Wilson, 1927; the score interval of Brown, Cai, DasGupta, 2001).

    Unlike ``p +- 1.96 sqrt(p q / n)`` it stays inside 0..1 and has a width when all or none are right.

    Args:
        hits: right answers; a mean over several runs on the same videos need not be whole.
        n: videos. None comes back for 0.
    """
    if n == 0:
        return None
    share, z2 = hits / n, Z95 * Z95
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p of the exact McNemar test (McNemar, 1947): do two ways to answer the same videos differ?

    Videos that both get right, or both wrong, say nothing. Of the others each is as likely to favour either way if
    there is no difference, so the smaller count is binomial with 1/2.

    Args:
        only_first, only_second: videos that only this one gets right.
    """
    n = only_first + only_second
    term, total = 1, 0  # whole numbers: no rounding, however many videos
    for k in range(min(only_first, only_second) + 1):
        total += term
        term = term * (n - k) // (k + 1)
    return min(1.0, 2 * total / 2**n)


def combined(p_values: Sequence[float]) -> float:
    """One p for several tests of one question on the same videos, however they depend on each other.

    The middle one of K, times K and divided by its rank (Rueger, 1978): for five tests 5/3 of the median.
    """
    rank = (len(p_values) + 1) // 2
    return min(1.0, sorted(p_values)[rank - 1] * len(p_values) / rank)


def holm(p_values: Sequence[float]) -> list[float]:
    """p of several questions asked at once, in the order given, made larger (Holm, 1979).

    Calling those below a level "different" then raises *any* false alarm with at most that probability.
    """
    adjusted, largest = [1.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, p_values[i] * (len(p_values) - rank)))
        adjusted[i] = largest
    return adjusted
