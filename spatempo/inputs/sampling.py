"""Which frames of a video a clip is made of: the published segment and dense rules, as 0-based indices.

*Segment* sampling (TSN, Wang et al., ECCV 2016; code of TSM) cuts the whole video into T equal segments and takes one
frame of each: the middle one in tests, a random one in training. *Dense* sampling (I3D style, TSM's `--dense_sample`)
takes every (window / T)-th frame of a window of 64 frames, at a random start in training, at ten evenly spread starts
in tests. A window of T frames gives consecutive ones (R(2+1)D).

`n` is the number of frames of the video, `segments` is T, and `span` the number of consecutive frames that one segment
reads (1 for RGB, 5 for stacked flow, 6 for RGB differences), so that `index + span - 1` stays inside the video;
`spans` lists them. The reference code counts files from 1; everything here is that minus one.

Source: github.com/mit-han-lab/temporal-shift-module, ops/dataset.py and test_models.py. Where a rule differs from what
is published, the docstring says how.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from spatempo.errors import SpatempoError

Indices = np.ndarray  # int64 [segments], 0-based


def segment_indices(n: int, segments: int, *, span: int = 1) -> Indices:
    """The frame in the middle of every segment: TSM's test clip, `int(tick / 2 + tick * i)`, tick = (n - span + 1) / T.

    A video shorter than T repeats frames evenly (n = 3, T = 8 gives 0 0 0 1 1 2 2 2). TSM's own validation during
    training instead takes the first frame T times when n <= T, so that its validation and its test numbers disagree;
    here one rule serves both.

    Args:
        n: frames in the video.
        segments: T, frames in the clip.
        span: consecutive frames that are read at every index.

    Returns:
        int64 [segments], rising.

    Raises:
        SpatempoError: a count below 1.
    """
    return _ticks(n, segments, span, offset=0.5)


def segment_second_indices(n: int, segments: int, *, span: int = 1) -> Indices:
    """The first frame of every segment, `int(tick * i)`: the second clip of TSM's `twice_sample`."""
    return _ticks(n, segments, span, offset=0.0)


def random_segment_indices(
    n: int,
    segments: int,
    rng: np.random.Generator,
    *,
    span: int = 1,
    short: Literal["spread", "first"] = "spread",
) -> Indices:
    """One random frame of every segment: the training clip.

    With d = (n - span + 1) // T: `i * d + randint(0, d)` when d > 0 (as published, the n - T * d last frames are never
    drawn); else, when more than T frames are there, T sorted random draws from [0, n - span].

    What is left, a video shorter than the clip, is the one place where the default departs from TSM: its code then
    gives the first frame T times, and the network silently trains on one frozen picture. The default "spread" is
    mmaction's rule, `round(i * (n - span + 1) / T)`, which spreads the frames there are (where mmaction lets the last
    one run over the end and wraps it round to the first frame, we stay on the last). "first" is TSM's rule.

    Args:
        n: frames in the video.
        segments: T, frames in the clip.
        rng: where the random numbers come from.
        span: consecutive frames that are read at every index.
        short: what to do with a video shorter than the clip.

    Returns:
        int64 [segments], rising.

    Raises:
        SpatempoError: a count below 1, or an unknown `short`.
    """
    starts = _starts(n, segments, span)
    steps = np.arange(segments)
    average = starts // segments
    if average > 0:
        return steps * average + rng.integers(0, average, size=segments)
    # The reference compares n, not the starts there are: with span > 1 a draw may repeat a frame.
    if n > segments and n >= span:
        return np.sort(rng.integers(0, starts, size=segments))
    if short == "first":
        return np.zeros(segments, dtype=np.int64)
    if short != "spread":
        raise SpatempoError(f"short={short!r}: a short video is sampled by 'spread' or 'first'")
    return np.minimum(np.around(steps * (starts / segments)).astype(np.int64), starts - 1)


def dense_indices(n: int, segments: int, start: int, *, window: int = 64) -> Indices:
    """Every (window // T)-th frame from `start` on, wrapping round the end of a video shorter than the window.

    Args:
        n: frames in the video.
        segments: T, frames in the clip; at most `window`.
        start: first frame.
        window: frames that the clip spans.

    Returns:
        int64 [segments]; not sorted where it wraps.

    Raises:
        SpatempoError: a count below 1, or more segments than frames in the window.
    """
    _check(n, segments, 1)
    if segments > window:
        raise SpatempoError(f"{segments} frames do not fit a dense window of {window}: take fewer, or a wider window")
    return (start + np.arange(segments) * (window // segments)) % n


def dense_starts(n: int, clips: int = 10, *, window: int = 64) -> Indices:
    """First frames of the `clips` dense test clips: evenly spread, both ends included. int64 [clips]."""
    _check(n, 1, 1)
    if clips < 1:
        raise SpatempoError(f"clips={clips}: at least 1 is needed")
    return np.linspace(0, _positions(n, window) - 1, num=clips, dtype=np.int64)


def random_dense_indices(n: int, segments: int, rng: np.random.Generator, *, window: int = 64) -> Indices:
    """A dense clip at a random start: training. As published, the last possible start is never drawn."""
    _check(n, segments, 1)
    positions = _positions(n, window)
    start = 0 if positions == 1 else int(rng.integers(0, positions - 1))
    return dense_indices(n, segments, start, window=window)


def clip_indices(
    n: int, segments: int, sampling: str = "segment", clips: int = 1, *, window: int | None = 64, span: int = 1
) -> list[Indices]:
    """The test clips of one video.

    Segment sampling: 1 clip is the middle of every segment; 2 are TSM's `twice_sample` (the middles, then the
    beginnings). More have no published rule: clip k of K sits at the fraction (k + 1/2) / K of every segment, which
    for K = 1 is the middle again. Dense sampling: the starts of `dense_starts`.

    Args:
        n: frames in the video.
        segments: T, frames in a clip.
        sampling: "segment" or "dense".
        clips: how many clips.
        window: frames that a dense clip spans; None: `segments`, consecutive frames.
        span: consecutive frames that are read at every index.

    Returns:
        `clips` arrays int64 [segments * span].

    Raises:
        SpatempoError: a count below 1, or an unknown sampling.
    """
    if clips < 1:
        raise SpatempoError(f"clips={clips}: at least 1 is needed")
    if sampling == "dense":
        window = window or segments
        starts = dense_starts(n, clips, window=window)
        chosen = [dense_indices(n, segments, int(start), window=window) for start in starts]
    elif sampling == "segment":
        offsets = (0.5, 0.0) if clips == 2 else [(k + 0.5) / clips for k in range(clips)]
        chosen = [_ticks(n, segments, span, offset) for offset in offsets]
    else:
        raise SpatempoError(f"sampling={sampling!r} is not known: use 'segment' or 'dense'")
    return [spans(indices, n, span) for indices in chosen]


def random_clip_indices(
    n: int,
    segments: int,
    sampling: str,
    rng: np.random.Generator,
    *,
    window: int | None = 64,
    span: int = 1,
) -> Indices:
    """A training clip by either rule, int64 [segments * span]; arguments as of `clip_indices`."""
    if sampling == "dense":
        chosen = random_dense_indices(n, segments, rng, window=window or segments)
    else:
        chosen = random_segment_indices(n, segments, rng, span=span)
    return spans(chosen, n, span)


def spans(indices: Indices, n: int, span: int) -> Indices:
    """Every index and the `span` - 1 frames after it, the last frame again where the video ends (as TSN's code does).

    int64 [len(indices) * span].
    """
    if span == 1:
        return indices
    return np.minimum(indices[:, None] + np.arange(span), n - 1).ravel()


def _ticks(n: int, segments: int, span: int, offset: float) -> Indices:
    """`int(tick * offset + tick * i)`, in double precision and in the reference's order of operations."""
    tick = _starts(n, segments, span) / segments
    return (tick * offset + tick * np.arange(segments)).astype(np.int64)


def _starts(n: int, segments: int, span: int) -> int:
    """How many frames can be the first of a span: n - span + 1, but one for a video shorter than the span."""
    _check(n, segments, span)
    return max(n - span + 1, 1)


def _positions(n: int, window: int) -> int:
    """How many starts a dense window has."""
    return max(1, 1 + n - window)


def _check(n: int, segments: int, span: int) -> None:
    for name, value in (("n", n), ("segments", segments), ("span", span)):
        if value < 1:
            raise SpatempoError(f"{name}={value}: no clip can be sampled; at least 1 is needed")
