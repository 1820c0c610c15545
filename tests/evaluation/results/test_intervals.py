"""Intervals and tests against published tables, hand-worked values and scipy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatempo.evaluation.results.intervals import combined, holm, mcnemar, wilson


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_as_in_newcombes_table(hits, n, low, high):
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3
    assert wilson(hits, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500), st.floats(0, 1))
def test_wilson_stays_between_0_and_1_and_holds_the_share(n, share):
    found = wilson(share * n, n)
    assert found is not None
    low, high = found
    assert 0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1
    mirrored = wilson(n - share * n, n)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_no_videos_have_no_interval():
    assert wilson(0, 0) is None


@pytest.mark.parametrize(
    ("b", "c", "p"),
    [
        (1, 5, 2 * (1 + 6) / 64),  # 6 tosses, at most one of them heads, either way
        (0, 10, 2 / 1024),
        (2, 0, 0.5),
        (3, 3, 1.0),
        (0, 0, 1.0),
        (0, 1, 1.0),
    ],
)
def test_mcnemar_by_hand(b, c, p):
    assert mcnemar(b, c) == p
    assert mcnemar(c, b) == p


def test_mcnemar_is_the_exact_binomial_test():
    stats = pytest.importorskip("scipy.stats")
    for b, c in [(4, 9), (0, 40), (120, 151), (3000, 2900)]:
        assert mcnemar(b, c) == pytest.approx(stats.binomtest(b, b + c).pvalue, rel=1e-9)


def test_many_videos_are_no_trouble():
    assert 0 < mcnemar(9000, 10000) < 1e-11


def test_one_p_of_several_tests():
    assert combined([0.2]) == 0.2
    assert combined([0.6, 0.001, 0.03, 0.02, 0.5]) == pytest.approx(0.03 * 5 / 3)
    assert combined([0.04, 0.9]) == pytest.approx(0.08)
    assert combined([1.0, 1.0, 1.0]) == 1.0


def test_holm_by_hand():
    # sorted 0.01 x 3, 0.03 x 2, 0.04 x 1, then none smaller than the one before
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.6]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []
