"""Frame sampling: the published segment and dense rules, as 0-based frame indices.

*Segment* sampling (TSN, Wang et al., ECCV 2016; code of TSM) splits the whole video into T equal segments and takes one
frame of each: the middle one in tests, a random one in training. *Dense* sampling (I3D style, TSM's `--dense_sample`)
takes every (window / T)-th frame of a window of 64 frames, at a random start in training, at ten evenly spaced starts
in tests. A window of T frames gives consecutive frames (R(2+1)D).

`n` is the number of frames of the video and `segments` is T. `span` is the number of consecutive frames read per
segment (1 for RGB, 5 for stacked flow, 6 for stacked RGB differences), so `index + span - 1` stays inside the video;
`spans` expands indices to all frames. The reference code numbers frames from 1; all indices here are smaller by 1.

Source: github.com/mit-han-lab/temporal-shift-module, ops/dataset.py and test_models.py. Docstrings describe every
difference from the published rules.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from spatempo.errors import SpatempoError

Indices = np.ndarray  # int64 [segments], 0-based


def segment_indices(n: int, segments: int, *, span: int = 1) -> Indices:
    """The middle frame of every segment: TSM's test clip, `int(tick / 2 + tick * i)`, tick = (n - span + 1) / T.

    A video shorter than T repeats frames evenly (n = 3, T = 8 gives 0 0 0 1 1 2 2 2). When n <= T, TSM's validation
    during training uses the first frame T times, so it differs from TSM's test. Here both use this rule.

    Args:
        n: frames in the video.
        segments: T, frames in the clip.
        span: number of consecutive frames read at every index.

    Returns:
        int64 [segments], not decreasing.

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

    With d = (n - span + 1) // T: `i * d + randint(0, d)` if d > 0 (as published, the last n - T * d frames are never
    drawn). Otherwise, if the video has more than T frames: T sorted random draws from [0, n - span].

    Videos shorter than the clip are the only case in which the default differs from TSM. TSM's code repeats the first
    frame T times, so the network trains on a still image without any warning. The default "spread" is mmaction's rule,
    `round(i * (n - span + 1) / T)`, which spreads the available frames. Where mmaction's index passes the end and wraps
    around to the first frame, this function uses the last frame. "first" is TSM's rule.

    Args:
        n: frames in the video.
        segments: T, frames in the clip.
        rng: random generator.
        span: number of consecutive frames read at every index.
        short: rule for videos shorter than the clip, "spread" or "first".

    Returns:
        int64 [segments], not decreasing.

    Raises:
        SpatempoError: a count below 1, or an unknown `short`.
    """
    starts = _starts(n, segments, span)
    steps = np.arange(segments)
    average = starts // segments
    if average > 0:
        return steps * average + rng.integers(0, average, size=segments)
    # The reference compares n, not the number of possible starts: with span > 1 a draw may repeat a frame.
    if n > segments and n >= span:
        return np.sort(rng.integers(0, starts, size=segments))
    if short == "first":
        return np.zeros(segments, dtype=np.int64)
    if short != "spread":
        raise SpatempoError(f"short={short!r} is not known: use 'spread' or 'first'")
    return np.minimum(np.around(steps * (starts / segments)).astype(np.int64), starts - 1)


def dense_indices(n: int, segments: int, start: int, *, window: int = 64) -> Indices:
    """Every (window // T)-th frame from `start` on. In a video shorter than the window, indices wrap around its end.

    Args:
        n: frames in the video.
        segments: T, frames in the clip; at most `window`.
        start: first frame.
        window: number of frames that the clip spans.

    Returns:
        int64 [segments]; not sorted if it wraps.

    Raises:
        SpatempoError: a count below 1, or more segments than frames in the window.
    """
    _check(n, segments, 1)
    if segments > window:
        raise SpatempoError(
            f"{segments} frames do not fit a dense window of {window} frames: use fewer frames or a wider window"
        )
    return (start + np.arange(segments) * (window // segments)) % n


def dense_starts(n: int, clips: int = 10, *, window: int = 64) -> Indices:
    """First frames of the `clips` dense test clips: evenly spaced, both ends included. int64 [clips]."""
    _check(n, 1, 1)
    if clips < 1:
        raise SpatempoError(f"clips={clips}: give at least 1")
    return np.linspace(0, _positions(n, window) - 1, num=clips, dtype=np.int64)


def random_dense_indices(n: int, segments: int, rng: np.random.Generator, *, window: int = 64) -> Indices:
    """Dense training clip: a random start. As published, the last possible start is never drawn."""
    _check(n, segments, 1)
    positions = _positions(n, window)
    start = 0 if positions == 1 else int(rng.integers(0, positions - 1))
    return dense_indices(n, segments, start, window=window)


def clip_indices(
    n: int, segments: int, sampling: str = "segment", clips: int = 1, *, window: int | None = 64, span: int = 1
) -> list[Indices]:
    """The test clips of one video.

    Segment sampling: one clip takes the middle of every segment, two clips follow TSM's `twice_sample` (middle frames,
    then first frames). There is no published rule for more clips: clip k of K takes the frame at the fraction
    (k + 1/2) / K of every segment. Dense sampling uses the starts of `dense_starts`.

    Args:
        n: frames in the video.
        segments: T, frames in a clip.
        sampling: "segment" or "dense".
        clips: number of clips.
        window: number of frames that a dense clip spans; None means `segments`, consecutive frames.
        span: number of consecutive frames read at every index.

    Returns:
        `clips` arrays int64 [segments * span].

    Raises:
        SpatempoError: a count below 1, or an unknown sampling.
    """
    if clips < 1:
        raise SpatempoError(f"clips={clips}: give at least 1")
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
    """A training clip by either rule, int64 [segments * span]; arguments as for `clip_indices`."""
    if sampling == "dense":
        chosen = random_dense_indices(n, segments, rng, window=window or segments)
    else:
        chosen = random_segment_indices(n, segments, rng, span=span)
    return spans(chosen, n, span)


def spans(indices: Indices, n: int, span: int) -> Indices:
    """Every index and the `span` - 1 frames after it. The last frame repeats at the end of the video, as in TSN.

    Returns int64 [len(indices) * span].
    """
    if span == 1:
        return indices
    return np.minimum(indices[:, None] + np.arange(span), n - 1).ravel()


def _ticks(n: int, segments: int, span: int, offset: float) -> Indices:
    """`int(tick * offset + tick * i)`, in double precision, with the order of operations of the reference."""
    tick = _starts(n, segments, span) / segments
    return (tick * offset + tick * np.arange(segments)).astype(np.int64)


def _starts(n: int, segments: int, span: int) -> int:
    """Number of possible first frames of a span: n - span + 1, or 1 if the video is shorter than the span."""
    _check(n, segments, span)
    return max(n - span + 1, 1)


def _positions(n: int, window: int) -> int:
    """Number of possible starts of a dense window."""
    return max(1, 1 + n - window)


def _check(n: int, segments: int, span: int) -> None:
    for name, value in (("n", n), ("segments", segments), ("span", span)):
        if value < 1:
            raise SpatempoError(f"{name}={value}: no clip can be sampled; give at least 1")
