"""Clips of optical flow and of frame differences, from the folder to the input of the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from spatempo.data.cache import FrameCache
from spatempo.data.dataset import ClipDataset, collate
from spatempo.data.manifest import load_manifest
from spatempo.data.transforms import TrainTransform
from spatempo.errors import SpatempoError
from spatempo.inputs.spec import Preprocess
from spatempo.inputs.ten_crop import TenCrop
from spatempo.inputs.views import ArrayFrames, load_views

FLOW = Preprocess(frames=2, size=16, resize=16, modality="flow", stack=3, mean=(0, 0), std=(1, 1))
FIELDS = 12


def field_values() -> np.ndarray:
    """Constant flow fields: field k has x = 10 + k, y = 200 + k. uint8 [FIELDS, 16, 24, 2]."""
    fields = np.zeros((FIELDS, 16, 24, 2), np.uint8)
    fields[..., 0] = 10 + np.arange(FIELDS)[:, None, None]
    fields[..., 1] = 200 + np.arange(FIELDS)[:, None, None]
    return fields


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes with two clips each; every clip is a folder of flow images."""
    root = tmp_path_factory.mktemp("flow")
    for name in ("left", "right"):
        for clip in ("a", "b"):
            folder = root / name / clip
            folder.mkdir(parents=True)
            for number, field in enumerate(field_values(), 1):
                for axis in (0, 1):
                    Image.fromarray(field[..., axis]).save(folder / f"flow_{'xy'[axis]}_{number:05d}.png")
    return root


def values(clip: torch.Tensor) -> list[list[int]]:
    """Values of the upper left pixel, one list per frame of the clip."""
    return (clip[..., 0, 0] * 255).round().int().T.tolist()


def test_evaluation_clip_calculated_by_hand(folders):
    """12 fields, 2 segments of 3: 10 starts, tick 5: fields 2 3 4 and 7 8 9."""
    item = ClipDataset(load_manifest(folders), FLOW, train=False)[0]
    assert item["clip"].shape == (1, 6, 2, 16, 16)
    assert values(item["clip"][0]) == [[12, 202, 13, 203, 14, 204], [17, 207, 18, 208, 19, 209]]
    again = load_views(ArrayFrames(field_values(), "flow"), FLOW)
    assert torch.equal(again, item["clip"])
    assert collate([item, item])["clip"].shape == (2, 1, 6, 2, 16, 16)


def test_mirrored_training_clips_negate_x(folders):
    manifest = load_manifest(folders)
    transform = TrainTransform(FLOW, scale="none", flip={0: 1, 1: 0})
    data = ClipDataset(manifest, FLOW, train=True, transform=transform)
    items = [data[epoch, 0] for epoch in range(20)]
    for item in items:
        for stack in values(item["clip"]):
            x, y = stack[::2], stack[1::2]
            assert y == [200 + k for k in range(y[0] - 200, y[0] - 197)]  # three consecutive fields
            drawn = [k - 200 + 10 for k in y]
            assert x == ([255 - v for v in drawn] if item["label"] else drawn)
    assert {item["label"] for item in items} == {0, 1}


def test_cached_flow_equals_the_flow_of_the_folder(folders, tmp_path):
    manifest = load_manifest(folders)
    cache = FrameCache(manifest, 16, tmp_path / "cache", reads="flow").fill(workers=0)
    assert not cache.errors
    plain = ClipDataset(manifest, FLOW, train=False)
    assert torch.equal(ClipDataset(manifest, FLOW, train=False, cache=cache)[3]["clip"], plain[3]["clip"])
    assert (tmp_path / "cache").is_dir()
    rgb = FrameCache(manifest, 16, tmp_path / "cache").fill(workers=0)  # other images of the same folders
    assert len(rgb.errors) == 4


def test_mirrored_crops_negate_x():
    fed = TenCrop.extend(FLOW)
    fields = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (6, 16, 24, 2), dtype=np.uint8))
    plain, mirrored = (fed(fields, f"{way}bottom-left") for way in ("", "mirrored "))
    torch.testing.assert_close(mirrored.flip(3)[::2], 1 - plain[::2])
    assert torch.equal(mirrored.flip(3)[1::2], plain[1::2])


def test_differences_come_from_the_frames_of_the_video(clips):
    """Model input of training, test and predict: differences of three consecutive frames."""
    fed = Preprocess(frames=2, size=32, resize=32, modality="rgbdiff", stack=2)
    item = ClipDataset(load_manifest(clips), fed, train=False)[0]
    rgb = replace(fed, modality="rgb", stack=1, frames=6, mean=(0,) * 3, std=(1,) * 3)
    # 12 frames, 2 segments of 3: 10 starts, tick 5: frames 2 3 4 and 7 8 9
    reader = ClipDataset(load_manifest(clips), rgb, train=False)
    with reader._open(reader.manifest.samples[0]) as source:
        frames = rgb(source.read([2, 3, 4, 7, 8, 9], short_side=32))
    want = torch.cat([frames[:, [1, 4]] - frames[:, [0, 3]], frames[:, [2, 5]] - frames[:, [1, 4]]])
    torch.testing.assert_close(item["clip"][0], want)
    assert float(want.abs().max()) > 0.1
    trained = ClipDataset(load_manifest(clips), fed, train=True)[0, 0]
    assert trained["clip"].shape == (6, 2, 32, 32)


def test_published_scales_and_colour_jitter_of_flow():
    assert TrainTransform(FLOW).scales == TrainTransform(Preprocess(modality="rgbdiff")).scales == (1, 0.875, 0.75)
    assert TrainTransform(Preprocess()).scales == (1, 0.875, 0.75, 0.66)
    with pytest.raises(SpatempoError, match="flow has no colours"):
        TrainTransform(FLOW, color=0.2)


def test_a_video_as_flow_is_an_error(clips):
    item = ClipDataset(load_manifest(clips), FLOW, train=False)[0]
    assert "flow is read from a folder of flow_x_00001.jpg" in item["error"]
