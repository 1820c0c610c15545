"""Preprocessing of frames: sizes, crops, normalisation, modalities, and conversion to and from JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms.v2 import functional as F

from spatempo.data.transforms import resize_crops
from spatempo.errors import SpatempoError
from spatempo.inputs.frames import corner, resize_frames, resize_short
from spatempo.inputs.spec import Preprocess
from spatempo.inputs.tensors import collate_clips


def columns(height: int, width: int, frames: int = 2) -> np.ndarray:
    """The value of every pixel is its column (red), row (green) and frame (blue)."""
    out = np.zeros((frames, height, width, 3), np.uint8)
    out[..., 0] = np.arange(width)[None, None, :]
    out[..., 1] = np.arange(height)[None, :, None]
    out[..., 2] = np.arange(frames)[:, None, None]
    return out


def unnormalised(size: int, resize: int) -> Preprocess:
    """Specification that only divides values by 255."""
    return Preprocess(size=size, resize=resize, mean=(0, 0, 0), std=(1, 1, 1))


def test_short_side_is_that_of_the_published_code():
    """TSN's, TSM's and GSM's ``scale_size``: ``input_size * 256 // 224``."""
    sizes = (224, 229, 112, 256, 64, 48)
    assert [Preprocess(size=s).short_side for s in sizes] == [256, 261, 128, 292, 73, 54]
    assert Preprocess(size=224, resize=224).short_side == 224
    assert Preprocess(size=229, resize=261) == Preprocess(size=229)


@pytest.mark.parametrize("fields", [{}, {"resize": None}])
def test_old_checkpoints_without_a_short_side_keep_theirs(fields):
    sizes = range(1, 600)
    by_size = {s: Preprocess.from_dict({**Preprocess().to_dict(), "resize": None, "size": s}) for s in sizes}
    assert by_size == {s: Preprocess.from_dict({"size": s, **fields}) for s in sizes}
    assert {s: spec.short_side for s, spec in by_size.items()} == {s: round(s * 256 / 224) for s in sizes}
    assert by_size[229].short_side == 262
    assert by_size[48].short_side == 55
    for size, old in by_size.items():
        for spec in (old, Preprocess(size=size)):
            again = Preprocess.from_dict(json.loads(json.dumps(spec.to_dict())))
            assert (again, again.short_side) == (spec, spec.short_side)


def test_crops_differ_from_tsm_by_few_pixels():
    """TSM's GroupFullResSample places crops at multiples of a quarter of the free pixels, rounded down."""
    for free in range(100):
        quarter = free // 4
        left, center, right = (corner(64, 64 + free, 64, crop)[1] for crop in ("left", "center", "right"))
        assert (left, right) == (0, free)
        assert 0 <= right - 4 * quarter <= 3
        assert 0 <= center - 2 * quarter <= 2


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
def test_crops_move_along_the_longer_side(shape, crop, left, top):
    clip = unnormalised(64, 64)(columns(*shape), crop) * 255
    assert clip.shape == (3, 2, 64, 64)
    assert clip[0, 1, 0].round().tolist() == list(range(left, left + 64))
    assert clip[1, 1, :, 0].round().tolist() == list(range(top, top + 64))
    assert clip[2, :, 5, 5].round().tolist() == [0, 1]


def test_every_crop_is_centred_across_the_shorter_side():
    clip = unnormalised(40, 64)(columns(64, 100), "left") * 255
    assert clip[0, 0, 0, 0].round() == 0
    assert clip[1, 0, 0, 0].round() == 12


def test_normalize_is_the_published_formula():
    frames = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 5, 7, 3), dtype=np.uint8))
    got = Preprocess().normalize(frames)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = ((frames / 255 - mean) / std).permute(3, 0, 1, 2)
    torch.testing.assert_close(got, expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize("shape", [(90, 130), (130, 90), (40, 52)])
def test_resize_agrees_with_pillow(shape):
    """Pillow's bilinear filter is antialiased; the published code trains with it."""
    frames = np.random.default_rng(1).integers(0, 256, (2, *shape, 3), dtype=np.uint8)
    got = resize_short(frames, 60)
    h, w = shape
    size = (int(60 * w / h), 60) if h <= w else (60, int(60 * h / w))
    expected = np.stack([np.asarray(Image.fromarray(f).resize(size, Image.Resampling.BILINEAR)) for f in frames])
    assert np.array_equal(got, expected)
    of_training = resize_crops(torch.from_numpy(frames), *got.shape[1:3]).numpy()
    assert np.abs(of_training.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("shape", [(50, 70), (112, 150), (33, 91)])
@pytest.mark.parametrize("channels", [3, 2])
def test_resize_agrees_with_torchvision(shape, channels):
    frames = torch.from_numpy(np.random.default_rng(2).integers(0, 256, (4, *shape, channels), dtype=np.uint8))
    expected = F.resize_image(frames.permute(0, 3, 1, 2), [64, 61], antialias=True).permute(0, 2, 3, 1)
    for got in (torch.from_numpy(resize_frames(frames.numpy(), 64, 61)), resize_crops(frames, 64, 61)):
        assert (got.int() - expected.int()).abs().max() <= 1


def test_frames_at_the_short_side_are_not_resampled():
    frames = columns(60, 80)
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


def test_tensors_arrays_and_read_only_arrays_give_equal_clips():
    frames = columns(50, 70)
    expected = Preprocess(size=32)(frames)
    frames.flags.writeable = False
    assert torch.equal(Preprocess(size=32)(frames), expected)
    assert torch.equal(Preprocess(size=32)(torch.from_numpy(columns(50, 70))), expected)
    assert torch.equal(Preprocess(size=32)(columns(50, 70)[::-1]), expected.flip(1))


@given(
    h=st.integers(1, 90),
    w=st.integers(1, 90),
    size=st.integers(1, 40),
    crop=st.sampled_from(["left", "center", "right"]),
)
def test_any_frame_size_gives_the_requested_shape(h, w, size, crop):
    clip = Preprocess(size=size)(np.full((1, h, w, 3), 255, np.uint8), crop)
    assert clip.shape == (3, 1, size, size)
    assert torch.allclose(clip[0], torch.tensor((1 - 0.485) / 0.229))


def test_round_trip_through_json():
    mine = Preprocess(frames=16, sampling="dense", size=112, resize=120, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    assert Preprocess.from_dict(json.loads(json.dumps(mine.to_dict()))) == mine
    assert Preprocess.from_dict({}) == Preprocess()


def plain(modality: str, stack: int, **fields) -> Preprocess:
    """Specification that only divides values by 255."""
    c = 2 if modality == "flow" else 3
    return Preprocess(modality=modality, stack=stack, mean=(0,) * c, std=(1,) * c, **fields)


def test_flow_fields_are_stacked_x_before_y():
    """A clip of 2 frames with 3 fields each; field k has x = 10 k and y = 10 k + 1."""
    fields = np.zeros((6, 4, 5, 2), np.uint8)
    fields[..., 0] = 10 * np.arange(6)[:, None, None]
    fields[..., 1] = fields[..., 0] + 1
    spec = plain("flow", 3, size=4, resize=4)
    assert (spec.channels, spec.span) == (6, 3)
    clip = spec(fields)
    assert clip.shape == (6, 2, 4, 4)
    assert (clip[:, :, 1, 2] * 255).round().T.tolist() == [[0, 1, 10, 11, 20, 21], [30, 31, 40, 41, 50, 51]]
    assert clip.permute(1, 2, 3, 0).is_contiguous()


def test_differences_are_each_frame_minus_the_previous_one():
    """Red is 10, 13, 11 and 200, 0, 255 in the two frames of the clip, green is constant, blue falls by 5."""
    frames = np.zeros((6, 3, 3, 3), np.uint8)
    frames[..., 0] = np.array([10, 13, 11, 200, 0, 255])[:, None, None]
    frames[..., 1] = 77
    frames[..., 2] = np.array([60, 55, 50, 40, 35, 30])[:, None, None]
    spec = plain("rgbdiff", 2, size=3, resize=3)
    assert (spec.channels, spec.span) == (6, 3)
    clip = spec.normalize(frames)
    assert clip.shape == (6, 2, 3, 3)
    assert (clip[:, :, 0, 0] * 255).round().T.tolist() == [[3, 0, -5, -2, 0, -5], [-200, 0, -5, 255, 0, -5]]


def test_mirroring_flow_reverses_x_only():
    fields = torch.tensor([[[[0, 10], [100, 20], [255, 30]]]], dtype=torch.uint8)
    assert plain("flow", 1).mirror(fields).tolist() == [[[[0, 30], [155, 20], [255, 10]]]]
    assert fields[0, 0, 0].tolist() == [0, 10]  # the input is unchanged
    rgb = torch.arange(6, dtype=torch.uint8).view(1, 1, 2, 3)
    for spec in (Preprocess(), plain("rgbdiff", 1)):
        assert spec.mirror(rgb).tolist() == [[[[3, 4, 5], [0, 1, 2]]]]


def test_statistics_of_other_modalities_are_the_published_ones():
    rgb = Preprocess()
    flow, difference = rgb.as_modality("flow", 5), rgb.as_modality("rgbdiff", 5)
    assert (flow.mean, flow.std) == ((0.5, 0.5), pytest.approx((0.226, 0.226)))  # tsn-pytorch: .5 and mean(std)
    assert (difference.mean, difference.std) == ((0, 0, 0), (1, 1, 1))  # tsn-pytorch: not normalised
    assert (flow.channels, flow.span, difference.channels, difference.span) == (10, 5, 15, 6)
    caffe = Preprocess(mean=(128 / 255, 117 / 255, 104 / 255), std=(1 / 255,) * 3)
    grey = torch.full((5, 1, 1, 2), 138, dtype=torch.uint8)  # BN-Inception: minus 128, in 0 .. 255
    torch.testing.assert_close(caffe.as_modality("flow", 5).normalize(grey), torch.full((10, 1, 1, 1), 10.0))
    steps = torch.tensor([3, 10], dtype=torch.uint8).view(2, 1, 1, 1).expand(-1, -1, -1, 3)
    assert caffe.as_modality("rgbdiff").normalize(steps).flatten().tolist() == pytest.approx([7, 7, 7])

    assert flow.with_statistics((0.4, 0.5, 0.6), (0.1, 0.2, 0.3)).std == pytest.approx((0.2, 0.2))
    own = Preprocess(modality="flow", mean=(0.4, 0.6), std=(0.1, 0.3))
    assert own.with_statistics(None, None) == own
    assert flow.with_statistics(own.mean, own.std).std == (0.1, 0.3)
    assert rgb.with_statistics((0.4, 0.5, 0.6), None) == Preprocess(mean=(0.4, 0.5, 0.6))


def test_other_modalities_round_trip_through_json():
    for spec in (plain("flow", 5), Preprocess(modality="rgbdiff", stack=5, sampling="dense", window=None)):
        assert Preprocess.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


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
        ({"mean": (0.5,) * 3, "modality": "flow"}, "two numbers"),
        ({"stack": 0, "modality": "flow"}, "stack"),
        ({"modality": ["rgb"]}, "modality"),
        ({"window": 0}, "window"),
        ({"colour": 1}, "colour"),
    ],
)
def test_errors_name_the_invalid_field(values, names):
    with pytest.raises(SpatempoError, match=names) as error:
        Preprocess.from_dict(values)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "frames",
    [np.zeros((2, 8, 8, 3), np.float32), np.zeros((2, 3, 8, 8), np.uint8), np.zeros((8, 8, 3), np.uint8)],
)
def test_frames_of_wrong_type_or_shape_are_rejected(frames):
    with pytest.raises(SpatempoError, match=r"uint8 \[T, H, W, 3\]"):
        Preprocess(size=4)(frames)


def test_incomplete_stacks_are_rejected():
    with pytest.raises(SpatempoError, match="got 7 frames of 'flow'; give a multiple of 5"):
        plain("flow", 5, size=4)(np.zeros((7, 8, 8, 2), np.uint8))
    with pytest.raises(SpatempoError, match=r"uint8 \[T, H, W, 2\] \(flow along x and y"):
        plain("flow", 5, size=4)(np.zeros((5, 8, 8, 3), np.uint8))


def test_unknown_crops_are_rejected():
    assert Preprocess.crops(1) == ("center",)
    assert Preprocess.crops(3) == ("left", "center", "right")
    with pytest.raises(SpatempoError, match="crops is 2"):
        Preprocess.crops(2)
    with pytest.raises(SpatempoError, match="'middle'"):
        Preprocess(size=4)(columns(8, 8), "middle")
