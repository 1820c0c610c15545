from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from spatempo.errors import SpatempoError
from spatempo.preprocess import Preprocess, collate_clips, resize_short


def columns(height: int, width: int, frames: int = 2) -> np.ndarray:
    """Every pixel holds its column (red), row (green) and frame (blue)."""
    out = np.zeros((frames, height, width, 3), np.uint8)
    out[..., 0] = np.arange(width)[None, None, :]
    out[..., 1] = np.arange(height)[None, :, None]
    out[..., 2] = np.arange(frames)[:, None, None]
    return out


def raw(size: int, resize: int) -> Preprocess:
    """Values come out as they went in, over 255."""
    return Preprocess(size=size, resize=resize, mean=(0, 0, 0), std=(1, 1, 1))


def test_short_side_keeps_the_proportion_of_256_to_224():
    assert [Preprocess(size=s).short_side for s in (224, 112, 64, 48)] == [256, 128, 73, 55]
    assert Preprocess(size=224, resize=224).short_side == 224


@pytest.mark.parametrize(
    ("shape", "crop", "left", "top"),
    [
        ((64, 100), "left", 0, 0),
        ((64, 100), "center", 18, 0),
        ((64, 100), "right", 36, 0),
        ((100, 64), "left", 0, 0),
        ((100, 64), "center", 0, 18),
        ((100, 64), "right", 0, 36),
    ],
)
def test_crops_lie_along_the_longer_side(shape, crop, left, top):
    clip = raw(64, 64)(columns(*shape), crop) * 255
    assert clip.shape == (3, 2, 64, 64)
    assert clip[0, 1, 0].round().tolist() == list(range(left, left + 64))
    assert clip[1, 1, :, 0].round().tolist() == list(range(top, top + 64))
    assert clip[2, :, 5, 5].round().tolist() == [0, 1]


def test_center_crop_is_central_across_the_shorter_side_too():
    clip = raw(40, 64)(columns(64, 100), "left") * 255
    assert clip[0, 0, 0, 0].round() == 0
    assert clip[1, 0, 0, 0].round() == 12


def test_normalize_is_the_published_formula():
    frames = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 5, 7, 3), dtype=np.uint8))
    got = Preprocess().normalize(frames)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    want = ((frames / 255 - mean) / std).permute(3, 0, 1, 2)
    torch.testing.assert_close(got, want, atol=2e-6, rtol=0)


@pytest.mark.parametrize("shape", [(90, 130), (130, 90), (40, 52)])
def test_resize_agrees_with_pillow(shape):
    """Pillow's bilinear filter is the antialiased one: what the field's code trained with."""
    frames = np.random.default_rng(1).integers(0, 256, (2, *shape, 3), dtype=np.uint8)
    got = resize_short(torch.from_numpy(frames), 60).numpy()
    h, w = shape
    size = (int(60 * w / h), 60) if h <= w else (60, int(60 * h / w))
    want = np.stack([np.asarray(Image.fromarray(f).resize(size, Image.Resampling.BILINEAR)) for f in frames])
    assert got.shape == want.shape
    assert np.abs(got.astype(int) - want).max() <= 1


def test_frames_at_the_short_side_are_not_resampled():
    frames = torch.from_numpy(columns(60, 80))
    assert resize_short(frames, 60) is frames


def test_memory_is_channels_last_and_folding_is_a_view():
    clips = [Preprocess(size=32)(columns(50, 70, frames=4)) for _ in range(3)]
    assert clips[0].permute(1, 2, 3, 0).is_contiguous()
    batch = collate_clips(clips)
    assert batch.shape == (3, 3, 4, 32, 32)
    assert batch.is_contiguous(memory_format=torch.channels_last_3d)
    folded = batch.transpose(1, 2).flatten(0, 1)
    assert folded.data_ptr() == batch.data_ptr()
    assert folded.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(batch, torch.stack(clips))


def test_tensor_array_and_read_only_array_give_the_same():
    frames = columns(50, 70)
    want = Preprocess(size=32)(frames)
    frames.flags.writeable = False
    assert torch.equal(Preprocess(size=32)(frames), want)
    assert torch.equal(Preprocess(size=32)(torch.from_numpy(columns(50, 70))), want)
    assert torch.equal(Preprocess(size=32)(columns(50, 70)[::-1]), want.flip(1))


@given(
    h=st.integers(1, 90),
    w=st.integers(1, 90),
    size=st.integers(1, 40),
    crop=st.sampled_from(["left", "center", "right"]),
)
def test_any_frame_size_gives_the_asked_for_shape(h, w, size, crop):
    clip = Preprocess(size=size)(np.full((1, h, w, 3), 255, np.uint8), crop)
    assert clip.shape == (3, 1, size, size)
    assert torch.allclose(clip[0], torch.tensor((1 - 0.485) / 0.229))


def test_round_trip_through_json():
    mine = Preprocess(frames=16, sampling="dense", size=112, resize=120, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    assert Preprocess.from_dict(json.loads(json.dumps(mine.to_dict()))) == mine
    assert Preprocess.from_dict({}) == Preprocess()


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"size": 0}, "size"),
        ({"frames": 2.5}, "frames"),
        ({"frames": True}, "frames"),
        ({"size": 224, "resize": 200}, "resize"),
        ({"sampling": "all"}, "sampling"),
        ({"modality": "smell"}, "modality"),
        ({"std": (0.0, 1.0, 1.0)}, "std"),
        ({"mean": (0.5, 0.5)}, "mean"),
        ({"mean": 0.5}, "mean"),
        ({"colour": 1}, "colour"),
    ],
)
def test_bad_values_are_named(values, names):
    with pytest.raises(SpatempoError, match=names) as error:
        Preprocess.from_dict(values)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "frames",
    [np.zeros((2, 8, 8, 3), np.float32), np.zeros((2, 3, 8, 8), np.uint8), np.zeros((8, 8, 3), np.uint8)],
)
def test_frames_of_another_kind_are_refused(frames):
    with pytest.raises(SpatempoError, match=r"uint8 \[T, H, W, 3\]"):
        Preprocess(size=4)(frames)


def test_unknown_crops_are_refused():
    assert Preprocess.crops(1) == ("center",)
    assert Preprocess.crops(3) == ("left", "center", "right")
    with pytest.raises(SpatempoError, match="crops is 2"):
        Preprocess.crops(2)
    with pytest.raises(SpatempoError, match="'middle'"):
        Preprocess(size=4)(columns(8, 8), "middle")
