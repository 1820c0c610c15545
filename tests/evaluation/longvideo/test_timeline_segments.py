"""Rules from scores to segments, each against a hand-computed case."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatempo.evaluation.longvideo.timeline_segments import Segment, find_segments, smooth

CLASSES = ["still", "wave", "jump"]


def found(best: str, *, stride: float = 1.0, window: float = 1.0, score: float = 0.8, **rules) -> list[Segment]:
    """Segments of windows with these best classes, one letter per window: s, w, j; u for undecided."""
    rows = np.full((len(best), 3), (1 - score) / 2)
    for row, letter in zip(rows, best, strict=True):
        if letter == "u":
            row[:] = 1 / 3
        else:
            row["swj".index(letter)] = score
    given = {"min_score": 0.5, "min_length": 0.0, "background": ("still",), "duration": len(best) * stride} | rules
    return find_segments(rows, CLASSES, window=window, stride=stride, **given)


def spans(segments: list[Segment]) -> list[tuple[float, float, str]]:
    return [(s.start, s.end, s.label) for s in segments]


def test_smoothing_averages_the_windows_that_contain_a_step():
    # 4 windows of 2 s, one per second: step 1 (1..2 s) is in windows 0 and 1, half a second from the middle of both
    steps = smooth(np.array([[0.0], [1.0], [0.5], [0.1]]), window=2, stride=1)
    assert steps[:, 0] == pytest.approx([0.0, 0.5, 0.75, 0.3, 0.1])


def test_weight_of_a_window_is_largest_at_its_middle():
    # windows of 4 s, one per second: the steps are 1.5, 0.5, 0.5 and 1.5 s from the middle; the weight is 0 at 2 s
    steps = smooth(np.array([[0.0]] * 3 + [[1.0]] + [[0.0]] * 3), window=4, stride=1)
    assert steps[3:7, 0] == pytest.approx([1 / 8, 3 / 8, 3 / 8, 1 / 8])
    assert steps[:3].sum() == steps[7:].sum() == 0
    assert smooth(np.ones((3, 1)), 4, 1) == pytest.approx(
        np.ones((6, 1))
    )  # every step is in a window, also at the ends


@pytest.mark.parametrize(("window", "around"), [(1.0, 1), (1.4, 1), (1.6, 2), (2.5, 2), (4.0, 4), (0.3 / 0.1, 3)])
def test_step_uses_the_windows_that_contain_its_middle(window, around):
    impulse = np.zeros((9, 1))
    impulse[4] = 1
    assert np.flatnonzero(smooth(impulse, window, 1.0)[:, 0]).tolist() == list(range(4, 4 + around))


def test_adjacent_steps_of_one_class_form_one_segment():
    assert spans(found("sswwwjjs")) == [(2, 5, "wave"), (5, 7, "jump")]


def test_score_is_the_mean_over_the_steps_with_the_label():
    rows = np.array([[0.1, 0.9, 0.0], [0.1, 0.6, 0.3], [0.1, 0.2, 0.7], [0.2, 0.9, 0.0], [1, 0, 0]])
    rules = {"min_score": 0.5, "min_length": 2.0, "duration": 5.0}
    (only,) = find_segments(rows, CLASSES, window=1, stride=1, background=("still",), **rules)
    assert only == Segment(0, 4, "wave", pytest.approx((0.9 + 0.6 + 0.9) / 3))


def test_no_segment_below_the_threshold():
    assert found("uuuu") == []
    assert spans(found("wwuu", score=0.5)) == [(0, 2, "wave")]
    assert found("wwuu", score=0.5, min_score=0.51) == []


def test_background_classes_produce_no_segments():
    assert spans(found("sw", background=())) == [(0, 1, "still"), (1, 2, "wave")]
    assert spans(found("sw", background=("still", "wave"))) == []


def test_gaps_shorter_than_the_minimum_length_are_closed():
    assert spans(found("wwswwssww", min_length=2)) == [(0, 5, "wave"), (7, 9, "wave")]
    assert spans(found("wwswwssww", min_length=2.1)) == [(0, 9, "wave")]


def test_segments_in_a_closed_gap_are_removed():
    assert spans(found("wwjww", min_length=2)) == [(0, 5, "wave")]
    assert spans(found("wwjjww", min_length=2)) == [(0, 2, "wave"), (2, 4, "jump"), (4, 6, "wave")]


def test_short_segments_are_removed_after_merging():
    assert spans(found("sswssjjjs", min_length=2)) == [(5, 8, "jump")]
    assert spans(found("swswsss", min_length=3)) == [(1, 4, "wave")]


def test_segments_end_with_the_video():
    assert spans(found("sww", duration=2.4)) == [(1, 2.4, "wave")]
    assert spans(found("sww", duration=2.0)) == [(1, 2.0, "wave")]


@pytest.mark.parametrize(("strides_per_window", "length"), [(4, 4), (4, 7), (8, 8), (2, 2), (2, 3)])
def test_segment_has_the_start_and_end_of_the_event(strides_per_window, length):
    """As the module docstring states, for windows that predict an event that fills at least half of them."""
    window, begin = strides_per_window, 20  # strides
    rows = np.zeros((60, 3))
    for k, row in enumerate(rows):
        inside = min(k + window, begin + length) - max(k, begin)
        row[:2] = (0.02, 0.98) if inside >= window / 2 else (0.98, 0.02)
    rules = {"min_score": 0.5, "min_length": 0.0, "duration": 63 * 0.5, "background": ("still",)}
    (only,) = find_segments(rows, CLASSES, window=window * 0.5, stride=0.5, **rules)
    assert (only.start, only.end) == (begin * 0.5, (begin + length) * 0.5)


@given(st.text("swju", min_size=1, max_size=40), st.integers(0, 5), st.integers(1, 4))
def test_segments_are_ordered_separate_and_long_enough(best, min_length, window):
    segments = found(best, window=float(window), min_length=float(min_length))
    for a in segments:
        assert 0 <= a.start < a.end <= len(best)
        assert a.end - a.start >= min_length
        assert 0.5 <= a.score <= 1
    for a, b in pairwise(segments):
        assert a.end <= b.start
        assert a.label != b.label or b.start - a.end >= max(min_length, 1)
