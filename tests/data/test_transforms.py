"""Training augmentation: crops, flips and colour jitter."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as F

from spatempo.data.transforms import TrainTransform, crop_offsets, jitter_color, multiscale_sizes
from spatempo.errors import SpatempoError
from spatempo.inputs.spec import Preprocess


def raw(size: int, resize: int | None = None) -> Preprocess:
    return Preprocess(size=size, resize=resize, mean=(0, 0, 0), std=(1, 1, 1))


def positions(height: int, width: int, frames: int = 2) -> torch.Tensor:
    """Frames whose pixels contain their column (red), row (green) and frame (blue)."""
    out = torch.zeros(frames, height, width, 3, dtype=torch.uint8)
    out[..., 0] = torch.arange(width)
    out[..., 1] = torch.arange(height)[:, None]
    out[..., 2] = torch.arange(frames)[:, None, None]
    return out


def random_frames(height: int = 60, width: int = 80, frames: int = 4) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), dtype=np.uint8))


def test_crop_sizes_calculated_by_hand():
    # 256 x 340 for 224: 256, int(224.0), int(192.0), int(168.96); pairs of neighbouring sizes are allowed. (w, h)
    assert multiscale_sizes(256, 340, 224) == [
        *[(256, 256), (224, 256)],
        *[(256, 224), (224, 224), (192, 224)],
        *[(224, 192), (192, 192), (168, 192)],
        *[(192, 168), (168, 168)],
    ]


def test_crop_sizes_near_the_target_equal_it():
    # 258: int(258 * .875) = 225 -> 224; 193 and 170 do not change. 227 differs by 3 and does not change.
    assert {w for w, _ in multiscale_sizes(258, 300, 224)} == {258, 224, 193, 170}
    assert {w for w, _ in multiscale_sizes(227, 300, 224, scales=(1,))} == {227}
    assert multiscale_sizes(226, 300, 224, scales=(1,)) == [(224, 224)]
    assert multiscale_sizes(222, 300, 224, scales=(1,)) == [(222, 222)]  # 224 would not fit


def test_crop_sizes_of_the_gestures():
    # 132 x 176 for 112: 132, int(115.5) = 115, 99, int(87.12) = 87
    assert [w for w, h in multiscale_sizes(132, 176, 112) if w == h] == [132, 115, 99, 87]


def test_offsets_calculated_by_hand():
    # free: 340 - 224 = 116 -> steps of 29; 256 - 224 = 32 -> steps of 8. (left, top), in the published order
    assert crop_offsets(256, 340, 224, 224) == [
        *[(0, 0), (116, 0), (0, 32), (116, 32), (58, 16)],
        *[(0, 16), (116, 16), (58, 32), (58, 0)],
        *[(29, 8), (87, 8), (29, 24), (87, 24)],
    ]
    # 107 free: steps of 26, so the last crop ends 3 pixels before the right edge
    assert max(x for x, _ in crop_offsets(200, 307, 200, 200)) == 104


@given(height=st.integers(1, 300), width=st.integers(1, 300), size=st.integers(1, 250))
def test_crops_are_inside_the_frame(height, width, size):
    for w, h in multiscale_sizes(height, width, size):
        for left, top in crop_offsets(height, width, h, w):
            assert 0 <= left <= width - w
            assert 0 <= top <= height - h
            assert min(w, h) >= 1


def test_multiscale_draws_all_crops_with_equal_probability():
    """The red and green values show which crop was taken."""
    frames = positions(120, 160, frames=1)
    transform = TrainTransform(raw(120), scales=(1.0, 0.5))  # sizes 120 and 60: 4 pairs
    rng = np.random.default_rng(0)
    seen: dict[tuple[int, ...], int] = {}
    draws = 4000
    for _ in range(draws):
        clip, _ = transform(frames, 0, rng)
        x, y = clip[0, 0, 60] * 255, clip[1, 0, :, 60] * 255
        w = 60 if x.max() - x.min() < 90 else 120
        h = 60 if y.max() - y.min() < 90 else 120
        key = (w, h, round(float(x.mean() - (w - 1) / 2)), round(float(y.mean() - (h - 1) / 2)))
        seen[key] = seen.get(key, 0) + 1
    expected: dict[tuple[int, ...], int] = {}
    for w, h in multiscale_sizes(120, 160, 120, (1.0, 0.5)):
        for left, top in crop_offsets(120, 160, h, w):
            key = (w, h, left, top)
            expected[key] = expected.get(key, 0) + 1
    assert set(seen) == set(expected)
    for key, ways in expected.items():
        mean = draws * ways / 52
        assert abs(seen[key] - mean) < 5 * mean**0.5, key


def test_a_crop_of_the_target_size_is_not_resampled():
    clip, _ = TrainTransform(raw(48), scales=(1.0,))(positions(48, 48), 3, np.random.default_rng(0))
    assert torch.equal((clip * 255).round().to(torch.uint8).permute(1, 2, 3, 0), positions(48, 48))


@pytest.mark.parametrize("scale", ["multiscale", "shift", "none"])
def test_all_frames_of_a_clip_get_the_same_augmentation(scale):
    """Augmenting a clip gives the same as augmenting each of its frames with the same random state."""
    transform = TrainTransform(Preprocess(size=32), scale=scale, flip="plain")
    frames = random_frames()
    for seed in range(10):
        clip, _ = transform(frames, 0, np.random.default_rng(seed))
        assert clip.shape == (3, 4, 32, 32)
        for t in range(4):
            single, _ = transform(frames[t : t + 1], 0, np.random.default_rng(seed))
            torch.testing.assert_close(clip[:, t], single[:, 0], atol=0, rtol=0)


def test_colour_jitter_is_equal_for_all_frames_and_reproducible():
    frames = random_frames()[:1].repeat(4, 1, 1, 1)
    transform = TrainTransform(Preprocess(size=32), color=0.4)
    clip, _ = transform(frames, 0, np.random.default_rng(5))
    assert all(torch.equal(clip[:, 0], clip[:, t]) for t in range(4))
    again, _ = transform(frames, 0, np.random.default_rng(5))
    other, _ = transform(frames, 0, np.random.default_rng(6))
    assert torch.equal(clip, again)
    assert not torch.equal(clip, other)


def test_none_is_the_evaluation_crop():
    preprocess = Preprocess(size=32, resize=40)
    clip, label = TrainTransform(preprocess, scale="none")(random_frames(), 7, np.random.default_rng(0))
    assert torch.equal(clip, preprocess(random_frames()))
    assert label == 7


def test_shift_reaches_all_positions_without_scaling():
    transform = TrainTransform(raw(30, 33), scale="shift")
    rng = np.random.default_rng(0)
    corners = set()
    for _ in range(600):
        clip, _ = transform(positions(33, 34), 0, rng)
        values = (clip * 255).round().int()
        corners.add((int(values[0, 0, 0, 0]), int(values[1, 0, 0, 0])))
        assert values[0, 0, 0].diff().unique().tolist() == [1]
    assert corners == {(x, y) for x in range(5) for y in range(4)}


def test_flip_mirrors_half_of_the_clips_and_maps_their_labels():
    frames = random_frames(32, 32)
    swap = {1: 2, 2: 1}
    plain = TrainTransform(raw(32, 32), scale="none")(frames, 0, np.random.default_rng(0))[0]
    flipped = 0
    for seed in range(200):
        for label in (0, 1, 2):
            mapped = TrainTransform(raw(32, 32), scale="none", flip=swap)(frames, label, np.random.default_rng(seed))
            same = TrainTransform(raw(32, 32), scale="none", flip="plain")(frames, label, np.random.default_rng(seed))
            assert torch.equal(mapped[0], same[0])
            mirrored = torch.equal(mapped[0], plain.flip(3))
            assert mirrored or torch.equal(mapped[0], plain)
            assert mapped[1] == (swap.get(label, label) if mirrored else label)
            assert same[1] == label
            flipped += mirrored
    assert 240 < flipped < 360


def test_without_flip_nothing_is_mirrored():
    transform = TrainTransform(raw(32, 32), scale="none")
    frames = random_frames(32, 32)
    for seed in range(30):
        assert torch.equal(transform(frames, 0, np.random.default_rng(seed))[0], transform.preprocess(frames))


def test_memory_layout_is_that_of_the_preprocessing():
    for scale in ("multiscale", "shift", "none"):
        transform = TrainTransform(Preprocess(size=32), scale=scale, flip="plain", color=0.1)
        for seed in range(4):
            clip, _ = transform(random_frames(), 0, np.random.default_rng(seed))
            assert clip.permute(1, 2, 3, 0).is_contiguous()


@pytest.mark.parametrize("step", ["brightness", "saturation", "contrast"])
def test_colour_jitter_agrees_with_torchvision(step):
    """One frame, so that clip mean and frame mean are equal, with medium values, so that nothing is clipped."""
    frames = torch.from_numpy(np.random.default_rng(0).integers(90, 150, (1, 9, 11, 3), dtype=np.uint8))
    factors = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0} | {step: 1.3}
    want = getattr(F, f"adjust_{step}")(frames.permute(0, 3, 1, 2).float() / 255, 1.3).permute(0, 2, 3, 1) * 255
    got = jitter_color(frames, **factors)
    assert (got.float() - want).abs().max() <= 0.51


def test_combined_colour_jitter_agrees_with_torchvision():
    frames = torch.from_numpy(np.random.default_rng(0).integers(90, 150, (1, 9, 11, 3), dtype=np.uint8))
    want = frames.permute(0, 3, 1, 2).float() / 255
    for step, factor in (("brightness", 1.2), ("contrast", 0.7), ("saturation", 1.4)):
        want = getattr(F, f"adjust_{step}")(want, factor)
    assert (jitter_color(frames, 1.2, 0.7, 1.4).float() - want.permute(0, 2, 3, 1) * 255).abs().max() <= 0.51


def test_contrast_scales_changes_of_light_within_the_clip():
    frames = torch.zeros(2, 4, 4, 3, dtype=torch.uint8)
    frames[0], frames[1] = 100, 140
    got = jitter_color(frames, 1.0, 0.5, 1.0)
    assert got[0].unique().tolist() == [110]  # 120 -/+ half of 20
    assert got[1].unique().tolist() == [130]


def test_the_smallest_crop_is_not_enlarged():
    assert TrainTransform(Preprocess(size=224)).short_side == 340  # 224 / 0.66, rounded up
    assert TrainTransform(Preprocess(size=224), scales=(1.0,)).short_side == 256
    assert TrainTransform(Preprocess(size=224), scale="shift").short_side == 256
    side = TrainTransform(Preprocess(size=112)).short_side
    assert min(w for w, _ in multiscale_sizes(side, 2 * side, 112)) >= 112


def test_the_transform_can_be_pickled():
    transform = TrainTransform(Preprocess(size=32), flip={0: 1, 1: 0}, color=0.2)
    copy = pickle.loads(pickle.dumps(transform))
    a, b = (t(random_frames(), 0, np.random.default_rng(3)) for t in (transform, copy))
    assert torch.equal(a[0], b[0])
    assert a[1] == b[1]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"scale": "huge"}, "scale is 'huge'"),
        ({"flip": "always"}, "flip is 'always'"),
        ({"color": -0.1}, "color is -0.1"),
        ({"color": 1.0}, "color is 1.0"),
        ({"scales": ()}, "scales are"),
        ({"scales": (1.0, 1.2)}, "scales are"),
    ],
)
def test_invalid_options_are_errors(options, says):
    with pytest.raises(SpatempoError, match=says):
        TrainTransform(Preprocess(), **options)
