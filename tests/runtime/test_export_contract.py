"""Exported files of every design give the model's logits, in ONNX Runtime and in OpenVINO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks import clips, randomise, small

from spatempo.errors import SpatempoError
from spatempo.models.design import DESIGNS
from spatempo.models.registry import create_model
from spatempo.models.video_model import VideoModel
from spatempo.runtime.engines.load_engine import load_engine
from spatempo.runtime.export import export

SMALL = {f"{d.name} {label}".strip(): case for d in DESIGNS.values() for label, case in d.test_configurations.items()}
FORMATS = {"onnx": "model.onnx", "openvino": "model"}
# without gsm_resnet50: with random gates its float32 logits differ from float64 by 4e-4 of the largest in torch alone
FULL = (
    *("tsn_resnet50", "tsm_resnet50", "tsm_resnet50_nl", "tsm_mobilenet_v2", "tsm_bninception", "vsn_resnet50"),
    *("sth_resnet50", "gsm_bninception", "gsf_resnet50", "r2plus1d_18", "r3d_18", "mc3_18"),
)


# 50 narrow 3D layers with random batch norms multiply rounding errors: float32 and float64 differ by 6e-5 of the
# largest logit in torch alone. With its own start, which depends on frame order too, they differ by 1e-6.
AS_CREATED = ("r2plus1d bottleneck",)


def small_of(design: str, **options: Any) -> VideoModel:
    backbone, fixed = SMALL[design]
    if design in AS_CREATED:
        torch.manual_seed(0)
        settings: dict[str, Any] = {**fixed, **options, "size": 32, "frames": 4, "dropout": 0.0}
        return create_model(design.split()[0], backbone=backbone, num_classes=3, **settings).eval()
    return small(design.split()[0], backbone=backbone, **fixed, **options)


def check_clips(model: VideoModel, path: Path, frames: int, size: int, *, blind: bool) -> None:
    engine = load_engine(path)
    assert engine.classes == model.classes
    lengths = [t for t in (frames, frames + 1, 2 * frames) if engine.spec.takes(t)]
    assert frames in lengths
    for batch, length in [(1, frames), (2, frames), (3, frames), *((2, t) for t in lengths[1:])]:
        clip = clips(length, batch, size)
        with torch.no_grad():
            want = model(clip).numpy()
        assert np.abs(engine(clip) - want).max() < 1e-4 * np.abs(want).max()
        if not blind:  # else the test would prove nothing
            assert np.abs(engine(clip.flip(2)) - want).max() > 1e-3 * np.abs(want).max()


def check_steps(model: VideoModel, path: Path, size: int) -> None:
    engine = load_engine(path)
    assert engine.state_names == model.state_names
    for batch in (1, 3):
        clip = clips(4 * model.step_frames, batch, size)
        state = engine.init_state(batch)
        logits = np.zeros(0)
        for frames in clip.split(model.step_frames, 2):
            logits, state = engine.step(frames, state)
        with torch.no_grad():
            want = model(clip).numpy()
        assert np.abs(logits - want).max() < 1e-4 * np.abs(want).max()


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("design", sorted(SMALL))
def test_clips_of_every_design(design: str, kind: str, tmp_path: Path) -> None:
    model = small_of(design)
    path = tmp_path / FORMATS[kind]
    result = export(model, path)
    assert result.max_rel_diff < 1e-4
    replaced = sum(result.own_mix.values())
    assert replaced <= len(model.operators)
    check_clips(model, path, 4, 32, blind=DESIGNS[design.split()[0]].order_blind)


@pytest.mark.slow
@pytest.mark.parametrize("design", sorted(SMALL))
def test_steps_of_every_causal_design(design: str, tmp_path: Path) -> None:
    try:
        model = small_of(design, causal=True)
    except SpatempoError:
        pytest.skip(f"{design} has no causal form")
    path = tmp_path / "model.onnx"
    export(model, path, streaming=True)
    check_steps(model, path, 32)


@pytest.mark.full
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", FULL)
def test_clips_of_published_models(name: str, kind: str, tmp_path: Path) -> None:
    model = create_model(name, num_classes=174, dropout=0.0)
    randomise(model, size=model.preprocess.size, frames=4)
    path = tmp_path / FORMATS[kind]
    export(model, path)
    blind = DESIGNS[model.design].order_blind
    check_clips(model, path, model.preprocess.frames, model.preprocess.size, blind=blind)


@pytest.mark.full
def test_steps_of_a_published_model(tmp_path: Path) -> None:
    model = create_model("tsm_mobilenet_v2", num_classes=27, causal=True, dropout=0.0)
    randomise(model, size=224, frames=4)
    export(model, tmp_path / "model.onnx", streaming=True)
    check_steps(model, tmp_path / "model.onnx", 224)
