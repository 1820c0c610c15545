"""Stacks of RGB frames by hand, modality names in one file only, and inputs without torch."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import spatempo
from spatempo import create_model, timeline
from spatempo.data.cache import FrameCache
from spatempo.data.dataset import ClipDataset
from spatempo.data.manifest import load_manifest
from spatempo.data.transforms import TrainTransform
from spatempo.errors import SpatempoError
from spatempo.inputs import MODALITIES, ArrayFrames, Preprocess, TenCrop, load_views, modality_of, view_array
from spatempo.video.source import READS, open_video
from spatempo.video.writer import write_video

FIVE = Preprocess(frames=2, size=4, resize=4, modality="rgb", stack=5, mean=(0, 0, 0), std=(1, 1, 1))


def numbered(count: int, height: int = 4, width: int = 6) -> np.ndarray:
    """Frame k has the value (3k, 3k + 1, 3k + 2) in every pixel. uint8 ``[count, height, width, 3]``."""
    values = np.arange(3 * count, dtype=np.uint8).reshape(count, 1, 1, 3)
    return np.tile(values, (1, height, width, 1))


def test_five_rgb_frames_are_stacked_in_order():
    assert (FIVE.channels, FIVE.span, FIVE.read_channels) == (15, 5, 3)
    clip = FIVE(numbered(10))
    assert clip.shape == (15, 2, 4, 4)
    assert clip.permute(1, 2, 3, 0).is_contiguous()
    assert (clip[:, :, 0, 0] * 255).round().int().T.tolist() == [list(range(15)), list(range(15, 30))]
    assert Preprocess.from_dict(json.loads(json.dumps(FIVE.to_dict()))) == FIVE
    with pytest.raises(SpatempoError, match="got 9 frames of 'rgb'; give a multiple of 5"):
        FIVE(numbered(9))


def test_a_stack_is_five_consecutive_frames():
    """20 frames, 2 segments of 5: 16 starts, tick 8: frames 4 to 8 and 12 to 16."""
    views = load_views(ArrayFrames(numbered(20)), FIVE, crops=3)
    assert views.shape == (3, 15, 2, 4, 4)
    first = (views[0, ::3, :, 0, 0] * 255 / 3).round().int().T.tolist()
    assert first == [[4, 5, 6, 7, 8], [12, 13, 14, 15, 16]]


def test_stacks_work_with_training_cache_and_mirroring(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_video(tmp_path / name / "0.mp4", numbered(20, 32, 48) * np.uint8(4), 10)
    manifest = load_manifest(tmp_path)
    spec = Preprocess(frames=2, size=16, stack=5)
    transform = TrainTransform(spec, flip="plain", color=0.2)
    cache = FrameCache(manifest, transform.short_side, tmp_path / "cache").fill(workers=0)
    for used in (None, cache):
        clip = ClipDataset(manifest, spec, train=True, transform=transform, cache=used)[0, 1]["clip"]
        assert clip.shape == (15, 2, 16, 16)
    ten = TenCrop.extend(FIVE)
    frames = np.random.default_rng(0).integers(0, 256, (10, 4, 9, 3), dtype=np.uint8)
    assert torch.equal(ten(frames, "mirrored top-left").flip(3), ten(frames, "top-left"))


def test_a_stack_is_not_an_image():
    assert Preprocess().is_image
    assert not any(spec.is_image for spec in (FIVE, Preprocess(modality="flow"), Preprocess(modality="rgbdiff")))
    model = create_model("tsm_smallresnet", num_classes=2, stack=5)
    with pytest.raises(
        SpatempoError, match="a timeline requires a model for RGB frames, but this model takes stacks of 5 frames"
    ):
        timeline(model, "clip.mp4")
    with pytest.raises(SpatempoError, match=r"\[B, 15, T, H, W\] \(5 x R, G, B\), got shape \(1, 3, 2, 8, 8\)"):
        model(torch.zeros(1, 3, 2, 8, 8))


def test_view_array_equals_load_views():
    spec = Preprocess(frames=4, size=24)
    source = ArrayFrames(np.random.default_rng(1).integers(0, 256, (9, 20, 31, 3), dtype=np.uint8))
    array = view_array(source, spec, 2, 3)
    assert array.dtype == np.float32
    assert array.transpose(0, 2, 3, 4, 1).flags.c_contiguous
    tensor = load_views(source, spec, 2, 3)
    assert tensor.is_contiguous(memory_format=torch.channels_last_3d)
    assert np.array_equal(array, tensor.numpy())


def test_inputs_work_without_torch():
    code = (
        "import sys, numpy as np\n"
        "from spatempo.inputs import ArrayFrames, Preprocess, TenCrop, view_array\n"
        "frames = np.zeros((20, 50, 70, 3), np.uint8)\n"
        "assert Preprocess(size=32).array(frames[:8]).shape == (3, 8, 32, 32)\n"
        "ten = TenCrop.extend(Preprocess(size=32, stack=3))\n"
        "assert view_array(ArrayFrames(frames), ten, 2, 10).shape == (20, 9, 8, 32, 32)\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_modality_works():
    for name, kind in MODALITIES.items():
        assert modality_of(name) is kind
        assert kind.reads in READS
        spec = Preprocess(modality=name, stack=2)
        frames = np.zeros((2 * spec.span, 5, 7, kind.channels), np.uint8)
        assert spec.normalize(frames).shape == (2 * kind.channels, 2, 5, 7)
        assert spec.mirror(frames).shape == frames.shape
    with pytest.raises(SpatempoError, match="'smell' is not known; choose from 'rgb', 'flow', 'rgbdiff'"):
        modality_of("smell")
    with pytest.raises(SpatempoError, match="reads='smell' is not known: use one of rgb, flow"):
        open_video(".", reads="smell")


def test_only_one_file_compares_modality_names():
    root = Path(spatempo.__file__).parent
    names = "|".join(MODALITIES)
    compares = re.compile(rf"""(==|!=|\bin\b)\s*[(\[{{]?["']({names})["']|["']({names})["']\s*(==|!=)|flow: bool""")
    reader = root / "video" / "source.py"  # opens the frames of a modality
    files = [file for file in root.rglob("*.py") if file != reader]
    assert len(files) > 100
    assert [str(file) for file in files if compares.search(file.read_text(encoding="utf-8"))] == []
    assert compares.search('if model.preprocess.modality == "flow":')
    assert compares.search('if options["modality"] in ("rgb", "flow"):')
