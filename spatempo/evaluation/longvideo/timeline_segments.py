"""Convert the scores of overlapping windows to segments with four fixed rules, applied in this order.

1. *Smoothing.* Time is divided into steps of one stride. The scores of a step are a weighted mean over all windows that
   contain the middle of the step. The weight of a window is largest at its middle and falls linearly to 0 at its ends.
2. *Threshold.* A step gets its best class as label, except if this is a background class or its score is below
   `min_score`. Such a step has no label.
3. *Merging.* Adjacent steps with the same label form a segment. Two segments of the same class that are less than
   `min_length` apart are merged, and segments between them are removed.
4. *Minimum length.* Segments shorter than `min_length` are removed.

Suppose that windows are W seconds long and that an event of W seconds is the best class of each window that it fills to
at least one half. Then the segment has exactly the start and the end of the event.
"""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np

_TOLERANCE = 1e-6  # seconds; multiples of the stride have rounding errors


@dataclass(frozen=True)
class Segment:
    """A class recognised from `start` to `end` (seconds from the first frame).

    `score` is the mean over the steps that have this label.
    """

    start: float
    end: float
    label: str
    score: float


def find_segments(
    scores: np.ndarray,
    classes: Sequence[str],
    *,
    window: float,
    stride: float,
    duration: float,
    min_score: float,
    min_length: float,
    background: Container[str] = (),
) -> list[Segment]:
    """Apply the rules of this module.

    Args:
        scores: ``[N, K]``, probabilities of N windows; window k begins at ``k * stride``.
        classes: K class names.
        window, stride: seconds; the stride is at most the window.
        duration: length of the video in seconds; segments end there at the latest.
        min_score: smallest score of a labelled step, 0 to 1.
        min_length: seconds; 0 keeps all segments.
        background: classes that produce no segments.

    Returns:
        Segments in order of time, without overlap.
    """
    steps = smooth(scores, window, stride)
    found: list[_OpenSegment] = []
    for number, row in enumerate(steps):
        start, end = number * stride, min((number + 1) * stride, duration)
        best = int(row.argmax())
        if end - start > _TOLERANCE and row[best] >= min_score and classes[best] not in background:
            _add(found, _OpenSegment(start, end, best, float(row[best]), 1), min_length)
    return [
        Segment(each.start, each.end, classes[each.label], each.total / each.steps)
        for each in found
        if each.end - each.start >= min_length - _TOLERANCE
    ]


def smooth(scores: np.ndarray, window: float, stride: float) -> np.ndarray:
    """Compute the scores of steps from those of windows: ``[N, K] -> [N + R - 1, K]``.

    Window k contains the middle of step j if ``k * stride <= (j + 1/2) * stride < k * stride + window``. These are the
    R = ceil(window / stride - 1/2) windows up to the j-th (fewer at both ends of the video). The weight of a window is
    1 if the two middles coincide and 0 at a distance of half a window.
    """
    around = max(1, math.ceil(window / stride - 0.5 - _TOLERANCE))
    total = np.zeros((len(scores) + around - 1, scores.shape[1]))
    weights = np.zeros((len(total), 1))
    for later in range(around):  # the step is `later` steps after the start of the window
        weight = 1 - abs((later + 0.5) * stride - window / 2) / (window / 2)
        total[later : later + len(scores)] += weight * scores
        weights[later : later + len(scores)] += weight
    return total / weights


@dataclass
class _OpenSegment:
    start: float
    end: float
    label: int
    total: float  # sum of the scores of the steps with this label
    steps: int


def _add(found: list[_OpenSegment], new: _OpenSegment, min_length: float) -> None:
    """Extend the last segment with the same label by a step if it is close enough, else append the step."""
    for back, last in enumerate(reversed(found)):
        gap = new.start - last.end
        if gap > _TOLERANCE and gap >= min_length - _TOLERANCE:
            break
        if last.label == new.label:
            del found[len(found) - back :]
            last.end, last.total, last.steps = new.end, last.total + new.total, last.steps + new.steps
            return
    found.append(new)
