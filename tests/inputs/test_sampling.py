"""Samplers against hand-computed indices of the published code, which counts from 1 (here: from 0)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatempo.errors import SpatempoError
from spatempo.inputs import sampling

counts = st.integers(1, 400)
segments = st.integers(1, 32)
spans = st.integers(1, 6)
seeds = st.integers(0, 2**32 - 1)


def plus_one(indices: np.ndarray) -> list[int]:
    return (indices + 1).tolist()


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (40, [3, 8, 13, 18, 23, 28, 33, 38]),
        (3, [1, 1, 1, 2, 2, 3, 3, 3]),
        (6, [1, 2, 2, 3, 4, 5, 5, 6]),
        (8, [1, 2, 3, 4, 5, 6, 7, 8]),
        (1, [1] * 8),
    ],
)
def test_the_centre_clip_is_the_published_one(n: int, expected: list[int]) -> None:
    assert plus_one(sampling.segment_indices(n, 8)) == expected


def test_the_second_clip_is_the_published_one() -> None:
    assert plus_one(sampling.segment_second_indices(40, 8)) == [1, 6, 11, 16, 21, 26, 31, 36]


def test_a_span_ends_inside_the_video() -> None:
    # n = 44, span 5: 40 starts, as for n = 40 above
    assert plus_one(sampling.segment_indices(44, 8, span=5)) == [3, 8, 13, 18, 23, 28, 33, 38]


def test_dense_clips_are_the_published_ones() -> None:
    assert plus_one(sampling.dense_indices(30, 8, 0)) == [1, 9, 17, 25, 3, 11, 19, 27]
    assert sampling.dense_starts(300, 10).tolist() == [0, 26, 52, 78, 104, 131, 157, 183, 209, 236]
    assert sampling.dense_starts(64, 10).tolist() == [0] * 10
    clips = sampling.clip_indices(300, 8, "dense", 10)
    assert clips[9].tolist() == [236, 244, 252, 260, 268, 276, 284, 292]


def test_a_window_of_t_frames_is_consecutive() -> None:
    """R(2+1)D: n = 100, T = 8 gives 93 starts; floor(linspace(0, 92, 10)), every clip 8 consecutive frames."""
    starts = [0, 10, 20, 30, 40, 51, 61, 71, 81, 92]
    for window in (8, None):
        clips = sampling.clip_indices(100, 8, "dense", 10, window=window)
        assert [clip.tolist() for clip in clips] == [list(range(s, s + 8)) for s in starts]
    assert sampling.clip_indices(5, 8, "dense", 1, window=8)[0].tolist() == [0, 1, 2, 3, 4, 0, 1, 2]
    # half the stride of the published window: 32 frames for 8
    assert sampling.clip_indices(32, 8, "dense", 1, window=32)[0].tolist() == [0, 4, 8, 12, 16, 20, 24, 28]


def test_training_clips_use_their_window() -> None:
    rng = np.random.default_rng(0)
    draws = [sampling.random_clip_indices(40, 8, "dense", rng, window=None) for _ in range(300)]
    assert all(clip.tolist() == list(range(clip[0], clip[0] + 8)) for clip in draws)
    assert {int(clip[0]) for clip in draws} == set(range(32))  # 33 starts; as published, never the last
    assert sampling.random_clip_indices(30, 8, "dense", rng).tolist() == [0, 8, 16, 24, 2, 10, 18, 26]


def test_spans_equal_hand_computed_indices() -> None:
    # 17 fields, 3 segments, 5 fields each: 13 starts, tick 13 / 3: 2, 6, 10
    clip = [2, 3, 4, 5, 6, 6, 7, 8, 9, 10, 10, 11, 12, 13, 14]
    assert sampling.clip_indices(17, 3, span=5)[0].tolist() == clip
    assert sampling.spans(np.array([4, 5]), 6, 3).tolist() == [4, 5, 5, 5, 5, 5]  # the last frame repeats, as published
    assert sampling.clip_indices(2, 2, span=5)[0].tolist() == [0, 1, 1, 1, 1] * 2
    both = sampling.clip_indices(44, 8, clips=2, span=5)
    assert both[0][::5].tolist() == sampling.segment_indices(44, 8, span=5).tolist()
    assert both[1][::5].tolist() == sampling.segment_second_indices(44, 8, span=5).tolist()
    draws = [sampling.random_clip_indices(13, 2, "segment", np.random.default_rng(k), span=4) for k in range(200)]
    assert {int(clip[0]) for clip in draws} == set(range(5))  # 10 starts, 5 in each half
    assert {int(clip[4]) for clip in draws} == set(range(5, 10))
    assert all(clip.reshape(2, 4).tolist() == [[c + k for k in range(4)] for c in clip[::4]] for clip in draws)


def test_training_follows_the_published_three_cases() -> None:
    rng = np.random.default_rng(0)
    # d = 43 // 8 = 5: i * 5 + [0, 5); the 3 last frames are never drawn
    draws = np.stack([sampling.random_segment_indices(43, 8, rng) for _ in range(400)])
    for i in range(8):
        assert set(draws[:, i]) == set(range(5 * i, 5 * i + 5))
    # n > T but fewer than T starts (n = 10, span 6: 5 starts): sorted draws from [0, 5)
    draws = np.stack([sampling.random_segment_indices(10, 8, rng, span=6) for _ in range(200)])
    assert set(draws.ravel()) == {0, 1, 2, 3, 4}
    assert (np.diff(draws) >= 0).all()
    # n < T: round(i * 3 / 8) = 0 0 1 1 2 2 2 3, and there is no frame 3
    assert sampling.random_segment_indices(3, 8, rng).tolist() == [0, 0, 1, 1, 2, 2, 2, 2]
    assert sampling.random_segment_indices(3, 8, rng, short="first").tolist() == [0] * 8
    assert sampling.random_segment_indices(8, 8, rng).tolist() == list(range(8))


def test_random_dense_never_starts_at_the_last_position() -> None:
    rng = np.random.default_rng(0)
    starts = {int(sampling.random_dense_indices(68, 8, rng)[0]) for _ in range(300)}
    assert starts == {0, 1, 2, 3}  # 5 positions, as published without the last
    assert sampling.random_dense_indices(30, 8, rng).tolist() == [0, 8, 16, 24, 2, 10, 18, 26]
    assert sampling.random_dense_indices(65, 8, rng)[0] == 0  # 2 positions: randint(0, 1)


def test_several_segment_clips_are_evenly_spaced() -> None:
    one, two = sampling.clip_indices(40, 8, "segment", 2)
    assert plus_one(one)[:2] == [3, 8]
    assert plus_one(two)[:2] == [1, 6]
    # five clips of segments of 5 frames: offsets 0.5, 1.5, ... 4.5 of 5, so every frame occurs once
    assert np.sort(np.concatenate(sampling.clip_indices(40, 8, "segment", 5))).tolist() == list(range(40))
    (only,) = sampling.clip_indices(37, 8)
    assert only.tolist() == sampling.segment_indices(37, 8).tolist()


@given(counts, segments, spans)
def test_test_clips_stay_inside_the_video_in_order(n: int, t: int, span: int) -> None:
    for rule in (sampling.segment_indices, sampling.segment_second_indices):
        indices = rule(n, t, span=span)
        assert indices.shape == (t,)
        assert indices.dtype == np.int64
        assert indices.min() >= 0
        assert indices.max() <= max(n - span, 0)
        assert (np.diff(indices) >= 0).all()


@given(counts, segments, spans, seeds)
def test_training_clips_stay_inside_the_video_in_order(n: int, t: int, span: int, seed: int) -> None:
    indices = sampling.random_segment_indices(n, t, np.random.default_rng(seed), span=span)
    assert indices.shape == (t,)
    assert indices.min() >= 0
    assert indices.max() <= max(n - span, 0)
    assert (np.diff(indices) >= 0).all()
    if 1 < n < t and span == 1:
        assert len(set(indices.tolist())) > 1  # a short clip is never a single repeated frame


@given(counts, st.integers(1, 64), seeds)
def test_dense_clips_stay_inside_the_video(n: int, t: int, seed: int) -> None:
    clips = [
        *sampling.clip_indices(n, t, "dense", 10),
        sampling.random_dense_indices(n, t, np.random.default_rng(seed)),
    ]
    for indices in clips:
        assert indices.shape == (t,)
        assert indices.min() >= 0
        assert indices.max() < n
        if n >= 64:
            assert (np.diff(indices) == 64 // t).all()


@given(st.integers(1, 20), st.integers(1, 16))
def test_time_reversed_videos_are_sampled_equally(average: int, t: int) -> None:
    """If n is a multiple of T, a video and its reverse are sampled with mirrored distributions."""
    n = average * t
    counts_of = np.zeros(n, dtype=int)
    for offset in range(average):  # every value that the generator can draw, the same in all segments
        counts_of[sampling.random_segment_indices(n, t, _Constant(offset))] += 1  # type: ignore[arg-type]
    assert (counts_of == counts_of[::-1]).all()
    assert (counts_of == 1).all()
    if average % 2:  # an even segment has no middle frame; the rule takes the later of the two
        centre = sampling.segment_indices(n, t)
        assert (n - 1 - centre[::-1] == centre).all()


class _Constant:
    """A generator that always draws the same number."""

    def __init__(self, value: int) -> None:
        self.value = value

    def integers(self, low: int, high: int, size: int) -> np.ndarray:
        assert low <= self.value < high
        return np.full(size, self.value)


def test_the_same_seed_gives_the_same_clip() -> None:
    first, second = (sampling.random_segment_indices(97, 8, np.random.default_rng(5)) for _ in range(2))
    assert first.tolist() == second.tolist()
    assert first.tolist() != sampling.random_segment_indices(97, 8, np.random.default_rng(6)).tolist()


@pytest.mark.parametrize(
    "call",
    [
        lambda: sampling.segment_indices(0, 8),
        lambda: sampling.segment_indices(8, 0),
        lambda: sampling.segment_indices(8, 8, span=0),
        lambda: sampling.dense_indices(100, 65, 0),
        lambda: sampling.dense_starts(100, 0),
        lambda: sampling.clip_indices(100, 8, "uniform", 1),
        lambda: sampling.clip_indices(100, 8, "segment", 0),
        lambda: sampling.random_segment_indices(3, 8, np.random.default_rng(0), short="loop"),  # type: ignore[arg-type]
    ],
)
def test_invalid_arguments_raise_one_line_errors(call) -> None:
    with pytest.raises(SpatempoError) as error:
        call()
    assert "\n" not in str(error.value)
