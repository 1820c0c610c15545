"""From the scores of overlapping windows to segments: four plain rules, in this order, nothing learnt.

1. *Smoothing.* Time is cut into steps of one stride. The scores of a step are the mean over all windows that contain
   its middle, and a window speaks most for its own middle: its weight falls evenly to nothing at its ends.
2. *Threshold.* A step carries its best class, unless that is a background class or scores below `min_score`: then it
   carries nothing.
3. *Merging.* Neighbouring steps of one class are a segment. Two segments of one class that are less than `min_length`
   apart are one, and what lay between them is swallowed.
4. *Minimum length.* Segments shorter than `min_length` are left out.

With windows of W seconds every S seconds, an event of W seconds that wins every window of which it fills at least half
comes out from its beginning to its end: of the windows around its beginning half say so, and of those around its end.
"""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np

_TOLERANCE = 1e-6  # s; sums of strides are rounded


@dataclass(frozen=True)
class Segment:
    """Something seen from `start` to `end` (seconds from the first frame); `score` is the mean over its own steps."""

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
    """Applies the rules of this module.

    Args:
        scores: ``[N, K]``, probabilities of N windows; window k begins at ``k * stride``.
        classes: K names.
        window, stride: seconds; the stride at most the window.
        duration: of the video, seconds; no segment reaches beyond.
        min_score: 0 to 1.
        min_length: seconds; 0 keeps everything.
        background: classes that make no segment.

    Returns:
        Segments in order; they do not overlap.
    """
    steps = smooth(scores, window, stride)
    found: list[_Run] = []
    for number, row in enumerate(steps):
        start, end = number * stride, min((number + 1) * stride, duration)
        best = int(row.argmax())
        if end - start > _TOLERANCE and row[best] >= min_score and classes[best] not in background:
            _add(found, _Run(start, end, best, float(row[best]), 1), min_length)
    return [
        Segment(run.start, run.end, classes[run.label], run.total / run.steps)
        for run in found
        if run.end - run.start >= min_length - _TOLERANCE
    ]


def smooth(scores: np.ndarray, window: float, stride: float) -> np.ndarray:
    """Scores of steps: ``[N, K] -> [N + R - 1, K]`` where R windows contain a moment.

    Window k contains the middle of step j where ``k * stride <= (j + 1/2) * stride < k * stride + window``, which are
    the R = ceil(window / stride - 1/2) windows up to the j-th, less at both ends of the video. Its weight is 1 where
    the two middles meet and 0 half a window away.
    """
    around = max(1, math.ceil(window / stride - 0.5 - _TOLERANCE))
    total = np.zeros((len(scores) + around - 1, scores.shape[1]))
    weights = np.zeros((len(total), 1))
    for later in range(around):  # the window began so many steps before
        weight = 1 - abs((later + 0.5) * stride - window / 2) / (window / 2)
        total[later : later + len(scores)] += weight * scores
        weights[later : later + len(scores)] += weight
    return total / weights


@dataclass
class _Run:
    start: float
    end: float
    label: int
    total: float  # of the scores of the steps that carry the label
    steps: int


def _add(found: list[_Run], new: _Run, min_length: float) -> None:
    """Appends a step, or lengthens the last run of its label if that is near enough."""
    for back, run in enumerate(reversed(found)):
        gap = new.start - run.end
        if gap > _TOLERANCE and gap >= min_length - _TOLERANCE:
            break
        if run.label == new.label:
            del found[len(found) - back :]
            run.end, run.total, run.steps = new.end, run.total + new.total, run.steps + new.steps
            return
    found.append(new)
