"""Motion in the generated clips: it is clear, matches the class, and nothing else reveals the direction of time."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatempo.data.generated.motions import Timetable, Track, tracks_of
from spatempo.data.generated.presets import CONTROLS, PAIRS, get_preset
from spatempo.data.generated.scenes import draw, render
from spatempo.data.generated.shapes import DIRECTION_SHAPES
from spatempo.inputs.sampling import segment_indices

DEMO = get_preset("demo")
ORDER = [pair for pair, (family, *_) in PAIRS.items() if family == "order"]
DIRECTION = [pair for pair, (family, *_) in PAIRS.items() if family == "direction"]


def seeds(count: int) -> list[np.random.SeedSequence]:
    return [np.random.SeedSequence(9, spawn_key=(number,)) for number in range(count)]


def track_of(pair: str, seed: int, dark: float = 0.0) -> Track:
    (track,) = tracks_of(pair, np.random.default_rng(seed), 24, dark)
    return track


# --- sampling


@given(n=st.integers(1, 400), segments=st.integers(1, 64))
def test_the_centre_rule_is_symmetric_unless_a_centre_is_an_integer(n: int, segments: int) -> None:
    """Proved in docs/generated-data.md: symmetric if 2T divides no n(2i + 1), so always for odd n."""
    on_whole = any(n * (2 * i + 1) % (2 * segments) == 0 for i in range(segments))
    at = segment_indices(n, segments)
    symmetric = np.array_equal(n - 1 - at[::-1], at)
    assert symmetric or on_whole
    if segments & (segments - 1) == 0:  # a power of two: the segment length is exact in floating point
        assert symmetric == (not on_whole)
    assert not (on_whole and n % 2)


@given(odd=st.integers(0, 50), power=st.integers(3, 6))
def test_eight_times_odd_is_symmetric_for_8_16_32_64_segments(odd: int, power: int) -> None:
    n = 8 * (2 * odd + 1)
    at = segment_indices(n, 2**power)
    np.testing.assert_array_equal(n - 1 - at[::-1], at)


# --- direction


@pytest.mark.parametrize("seed", range(40))
def test_motions_are_large_and_monotonic(seed: int) -> None:
    for pair, key in (("right_left", "x"), ("down_up", "y"), ("turn", "angle"), ("appear", "alpha")):
        assert (np.diff(getattr(track_of(pair, seed), key)) >= 0).all()
    right, down, turn, near, appear = (track_of(p, seed) for p in ("right_left", "down_up", "turn", "in_out", "appear"))
    assert 0.3 <= right.x[-1] - right.x[0] <= 0.5  # at 48 pixels at least 14, or 2 between two of 8 frames
    assert 0.3 <= down.y[-1] - down.y[0] <= 0.5
    assert np.abs(right.x).max() <= 0.47  # always visible
    assert 2.0 <= near.radius[-1] / near.radius[0] <= 2.81
    at = segment_indices(24, 8)
    assert np.radians(149) <= turn.angle[-1] - turn.angle[0] <= np.radians(271)
    assert (turn.angle[5:] - turn.angle[:-5]).max() < np.radians(90)  # between random frames of neighbouring segments
    middle = np.stack([turn.x, turn.y], axis=1)
    (step, following), arm = (np.diff(middle, axis=0)[k:][:22] for k in (0, 1)), np.ptp(middle, axis=0).max()
    assert (step[:, 0] * following[:, 1] > step[:, 1] * following[:, 0]).all()  # clockwise on the screen: y points down
    assert 0.12 <= arm <= 0.37
    assert appear.alpha[at[0]] == 0
    assert appear.alpha[at[-1]] == 1


def test_direction_classes_have_the_same_distribution_of_objects_and_positions() -> None:
    """So the kind of object does not reveal the pair of a clip either."""
    for pair in DIRECTION:
        looks = Counter((look.shape, look.bright) for look in (track_of(pair, s, 0.5).look for s in range(400)))
        assert len(looks) == 2 * len(DIRECTION_SHAPES)
        assert min(looks.values()) > 25  # 50 expected of each; 25 is 3.8 standard deviations below
    starts = np.array([track_of("right_left", seed).x[0] for seed in range(400)])
    ends = np.array([track_of("right_left", seed).x[-1] for seed in range(400)])
    assert np.percentile(starts, 95) > np.percentile(ends, 5)  # positions in the middle occur at both ends


@pytest.mark.parametrize("pair", ["right_left", "pop", "red_disc"])
def test_disturbances_do_not_reveal_the_direction_of_time(pair: str) -> None:
    scenes = [draw(pair, replace(DEMO, size=32, noise=0), seed) for seed in seeds(300)]
    rises = np.array([scene.light[-1] - scene.light[0] for scene in scenes])
    shifts = np.array([scene.camera[-1] - scene.camera[0] for scene in scenes])
    for values in (rises, *shifts.T):
        assert values.std() > 0
        assert abs((values > 0).mean() - 0.5) < 0.12  # 4 standard deviations at probability 1/2
        assert abs(values.mean()) < 4 * values.std() / 300**0.5
    margin = (scenes[0].background.shape[0] - 32) // 2
    assert max(np.abs(scene.camera).max() for scene in scenes) <= margin - 1


def test_noise_has_equal_strength_and_is_independent_between_frames() -> None:
    seed = seeds(1)[0]
    without = render("turn", replace(DEMO, noise=0.0), seed).astype(float)
    noise = render("turn", DEMO, seed) - without
    inside = (without > 20) & (without < 235)  # pixels without clipping
    strength = np.array([frame[kept].std() for frame, kept in zip(noise, inside, strict=True)])
    assert strength == pytest.approx(np.full(24, DEMO.noise), rel=0.06)
    lag = (noise[1:] * noise[:-1]).mean() / DEMO.noise**2
    assert abs(lag) < 0.03  # noise of neighbouring frames is uncorrelated


def test_calm_clips_have_the_same_motion_without_disturbances() -> None:
    seed = seeds(1)[0]
    calm, rough = render("turn", DEMO, seed, calm=True), render("turn", DEMO, seed)
    corner = calm[:, :3, :3]
    assert len(np.unique(corner.reshape(24, -1), axis=0)) == 1
    assert len(np.unique(rough[:, :3, :3].reshape(24, -1), axis=0)) == 24
    assert np.abs(calm.astype(int).mean((0, 3)) - rough.mean((0, 3))).mean() < 15
    np.testing.assert_array_equal(render("turn", DEMO, seed), rough)


# --- order


@given(frames=st.integers(24, 200), seed=st.integers(0, 2**32 - 1))
def test_timetables_separate_the_events_from_each_other_and_the_ends(frames: int, seed: int) -> None:
    times = Timetable.draw(np.random.default_rng(seed), frames)
    assert times.gap >= 2 * times.event  # the still part is at least twice as long as an event
    assert times.first >= times.gap - 1
    assert times.second - (times.first + times.event) >= times.gap
    assert frames - (times.second + times.event) >= times.gap - 1
    bump = times.bump(frames, times.first)
    event = bump[times.first : times.first + times.event]
    assert (event > 0).all()
    assert event.max() >= 0.96875
    np.testing.assert_array_equal(event, event[::-1])
    assert np.count_nonzero(bump) == times.event


def windows(clip: np.ndarray, length: int) -> Counter[bytes]:
    return Counter(clip[start : start + length].tobytes() for start in range(len(clip) - length + 1))


@pytest.mark.parametrize("pair", ORDER)
@pytest.mark.parametrize("frames", [24, 40])
def test_no_window_up_to_the_gap_reveals_the_order(pair: str, frames: int) -> None:
    """Every window of neighbouring frames occurs equally often in AB and BA; only longer windows differ."""
    preset = get_preset("demo", size=32, frames=frames)
    for seed in seeds(6):
        ab = render(pair, preset, seed, calm=True)
        ba = ab[::-1]
        assert not np.array_equal(ab, ba)
        gap = frames // 4
        for length in range(1, gap + 1):
            assert windows(ab, length) == windows(ba, length)
        assert windows(ab, 2 * gap + 2 * (frames // 8)) != windows(ba, 2 * gap + 2 * (frames // 8))


@pytest.mark.parametrize("pair", ORDER)
def test_eight_segments_show_each_event_once_with_two_still_frames_between(pair: str) -> None:
    for seed in seeds(20):
        clip = render(pair, replace(DEMO, size=32), seed, calm=True)[segment_indices(24, 8)]
        moved = [not np.array_equal(frame, clip[0]) for frame in clip]
        first, second = np.flatnonzero(moved)
        assert second - first >= 3
        assert first >= 1
        assert second <= 6


# --- control


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_class_is_recognisable_in_every_frame(name: str) -> None:
    """The mean colour of the object gives the class, and the object is always visible."""
    tints = {"red_disc": (1, 0, 0), "green_star": (0, 1, 0), "blue_cross": (0, 0, 1), "yellow_ring": (1, 1, 0)}
    for seed in seeds(25):
        scene = draw(name, DEMO, seed, calm=True)
        (track,), (texture,) = scene.tracks, scene.textures
        assert (track.alpha == 1).all()
        assert track.radius.min() * DEMO.size > 6
        colour = texture[..., :3].sum((0, 1)) / texture[..., 3].sum()
        colour = (colour - colour.min()) / np.ptp(colour)
        nearest = min(tints, key=lambda key: float(np.abs(colour - tints[key]).sum()))
        assert nearest == name


def test_control_clips_move_in_both_directions_equally_often() -> None:
    signs = [
        np.sign(np.diff([track.x[0], track.x[-1]]))[0]
        for s in range(300)
        for track in tracks_of("red_disc", np.random.default_rng(s), 24)
    ]
    assert abs(np.mean(signs)) < 0.24
