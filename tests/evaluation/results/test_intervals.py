"""Intervals and tests against published tables, hand-computed values and scipy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatempo.evaluation.results.intervals import combined, holm, mcnemar, wilson


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_against_newcombes_table(hits, n, low, high):
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3
    assert wilson(hits, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500), st.floats(0, 1))
def test_wilson_interval_is_between_0_and_1_and_contains_the_accuracy(n, accuracy):
    found = wilson(accuracy * n, n)
    assert found is not None
    low, high = found
    assert 0 <= low <= accuracy + 1e-12
    assert accuracy - 1e-12 <= high <= 1
    mirrored = wilson(n - accuracy * n, n)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_interval_is_none_without_videos():
    assert wilson(0, 0) is None


@pytest.mark.parametrize(
    ("b", "c", "p"),
    [
        (1, 5, 2 * (1 + 6) / 64),  # at most 1 of 6, two-sided
        (0, 10, 2 / 1024),
        (2, 0, 0.5),
        (3, 3, 1.0),
        (0, 0, 1.0),
        (0, 1, 1.0),
    ],
)
def test_mcnemar_against_hand_computed_values(b, c, p):
    assert mcnemar(b, c) == p
    assert mcnemar(c, b) == p


def test_mcnemar_is_the_exact_binomial_test():
    stats = pytest.importorskip("scipy.stats")
    for b, c in [(4, 9), (0, 40), (120, 151), (3000, 2900)]:
        assert mcnemar(b, c) == pytest.approx(stats.binomtest(b, b + c).pvalue, rel=1e-9)


def test_mcnemar_with_many_videos():
    assert 0 < mcnemar(9000, 10000) < 1e-11


def test_combined_p_value_of_several_tests():
    assert combined([0.2]) == 0.2
    assert combined([0.6, 0.001, 0.03, 0.02, 0.5]) == pytest.approx(0.03 * 5 / 3)
    assert combined([0.04, 0.9]) == pytest.approx(0.08)
    assert combined([1.0, 1.0, 1.0]) == 1.0


def test_holm_against_hand_computed_values():
    # sorted: 0.01 x 3, 0.03 x 2, 0.04 x 1; then each is at least as large as the one before
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.6]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []
