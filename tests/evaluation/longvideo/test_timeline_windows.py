"""Frames of sliding windows, and the number of frames kept in memory."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatempo.errors import SpatempoError
from spatempo.evaluation.longvideo.timeline_windows import Windows, default_seconds
from spatempo.inputs.sampling import clip_indices
from spatempo.inputs.spec import Preprocess


def numbered(times: list[float]) -> list[tuple[float, np.ndarray]]:
    return [(time, np.array([number])) for number, time in enumerate(times)]


def taken(windows: Windows, times: list[float]) -> list[list[int]]:
    """Frame numbers of every window."""
    return [[int(image[0]) for image in images] for images in windows.cut(numbered(times))]


@given(
    st.sampled_from(["segment", "dense"]),
    st.integers(1, 16),
    st.integers(1, 80),
    st.sampled_from([10, 12, 25, 30000 / 1001]),
    st.data(),
)
def test_at_a_constant_rate_frames_equal_those_of_the_window_saved_as_a_file(sampling, frames, length, fps, data):
    """A window of `length` frames every `step` frames, compared with the index rule of ``predict``."""
    if sampling == "dense":
        length = 64
    step = data.draw(st.integers(1, length))
    windows = Windows.of(Preprocess(frames=frames, sampling=sampling), length / fps, step / fps)
    count = length + 3 * step
    (rule,) = clip_indices(length, frames, sampling)
    if sampling == "segment":  # a middle exactly at the beginning of a frame takes this frame, without rounding
        middles = (2 * np.arange(frames) + 1) * length
        rule = np.where(middles % (2 * frames) == 0, middles // (2 * frames), rule)
    found = taken(windows, [i / fps for i in range(count)])
    assert len(found) == 4
    for k, numbers in enumerate(found):
        assert numbers == (rule + k * step).tolist()


def test_at_a_varying_rate_a_moment_takes_the_frame_on_the_screen():
    windows = Windows.of(Preprocess(frames=4), 2.0, 1.0)  # moments 0.25, 0.75, 1.25, 1.75 s of each window
    # the last frame ends at 3 + 3/4 s, and the third window is the first one that reaches this time
    assert taken(windows, [0.0, 0.1, 1.5, 1.6, 3.0]) == [[1, 1, 1, 3], [1, 3, 3, 3], [3, 3, 4, 4]]


def test_last_window_is_the_first_that_reaches_the_end():
    windows = Windows.of(Preprocess(frames=2), 1.0, 0.5)  # moments 0.25 and 0.75
    tenths = [i / 10 for i in range(24)]
    assert taken(windows, tenths[:20]) == [[2, 7], [7, 12], [12, 17]]  # the video ends at 2.0, with the third window
    assert taken(windows, tenths[:21]) == [[2, 7], [7, 12], [12, 17], [17, 20]]  # the video ends at 2.1
    assert taken(windows, tenths[:5]) == [[2, 4]]
    assert taken(windows, [0.0]) == [[0, 0]]
    assert taken(windows, []) == []


def test_times_rounded_to_milliseconds_give_the_same_frames():
    exact = [i / 23.976 for i in range(300)]
    windows = Windows.of(Preprocess(frames=8), 64 / 23.976, 16 / 23.976)  # every moment is the beginning of a frame
    assert taken(windows, [round(time, 3) for time in exact]) == taken(windows, exact)


@pytest.mark.parametrize("length", [200, 2000])
def test_only_frames_of_open_windows_stay_in_memory(length):
    windows = Windows.of(Preprocess(frames=8), 2.0, 0.5)
    alive: weakref.WeakSet[np.ndarray] = weakref.WeakSet()
    most = 0

    class Frame(np.ndarray):
        __hash__ = object.__hash__

    def frames():
        nonlocal most
        for number in range(length):
            image = np.zeros(1).view(Frame)
            alive.add(image)
            most = max(most, len(alive))
            yield number / 10, image
            del image

    count = sum(1 for _ in windows.cut(frames()))
    assert count == (length / 10 - 2) / 0.5 + 1
    # four windows of 2 s are open and share their 8 moments, a quarter second apart; 1 or 2 frames are in transit
    assert 8 <= most <= 13


def test_default_window_length_and_its_source():
    assert default_seconds(Preprocess(), 25) == (2.0, "guess")
    assert default_seconds(Preprocess(), 25, 3.5) == (3.5, "training")
    assert default_seconds(Preprocess(sampling="dense"), 25, 3.5) == (64 / 25, "frames")
    assert default_seconds(Preprocess(sampling="dense", frames=16, window=None), 25) == (16 / 25, "frames")


@pytest.mark.parametrize(
    ("seconds", "stride"), [(0, 1), (-1, 1), (float("nan"), 1), (float("inf"), 1), (2, 0), (2, 2.1), (2, float("nan"))]
)
def test_invalid_window_or_stride_is_rejected(seconds, stride):
    with pytest.raises(SpatempoError, match=r"window|stride"):
        Windows.of(Preprocess(), seconds, stride)
