"""Checks for every design of these tests: train on real files, save, load, export, and stream if it is causal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import assert_close, clips, randomise
from torch import Tensor

import spatempo
from spatempo.models import DESIGNS, VideoModel, load, save_checkpoint
from spatempo.video.writer import write_video


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight clips of six frames in two classes, one brighter than the other."""
    root = tmp_path_factory.mktemp("videos")
    draw = np.random.default_rng(0)
    for number in range(8):
        frames = draw.integers(0, 100, (6, 40, 48, 3), dtype=np.uint8) + np.uint8(100 * (number % 2))
        (root / "dark" if number % 2 == 0 else root / "bright").mkdir(exist_ok=True)
        write_video(root / ("dark" if number % 2 == 0 else "bright") / f"{number}.mp4", frames, 10)
    return root


@pytest.fixture(autouse=True)
def unregister_designs() -> Iterator[None]:
    """Removes the designs that a test registers, because other tests count the designs."""
    before = set(DESIGNS)
    yield
    for name in set(DESIGNS) - before:
        del DESIGNS[name]


@pytest.fixture
def check_design(videos: Path, tmp_path: Path) -> Callable[..., VideoModel]:
    """``check_design(name, frames=4, any_frames=True, **options)`` runs all checks and returns a model."""

    def check(name: str, frames: int = 4, any_frames: bool = True, **options: object) -> VideoModel:
        run = spatempo.train(
            videos, model=name, frames=frames, size=32, epochs=2, batch_size=4, workers=0, device="cpu", quiet=True,
            out=tmp_path / "run", options=options, flip="none",
        )  # fmt: skip
        assert load(run.checkpoint).classes == ["bright", "dark"]
        model = spatempo.create_model(name, num_classes=3, size=32, frames=frames, dropout=0.0, **options)
        randomise(model, size=32, frames=frames)
        clip = _make_clips(model, frames)
        with torch.no_grad():
            expected = model(clip)
            assert expected.shape == (2, 3)
            reversed_change = (model(clip.flip(2)) - expected).abs().max()
            assert reversed_change > 1e-3 * expected.abs().max(), "the model must depend on the order of frames"
            assert_close(model.forward_head(model.forward_features(clip)), expected)
            if model.head.per_frame:
                assert_close(model.forward_head_frames(model.forward_features(clip)), model.forward_frames(clip))
            save_checkpoint(model, tmp_path / "saved")
            assert torch.equal(load(tmp_path / "saved")(clip), expected)
            _check_export(model, frames, any_frames)
            if model.causal:
                _check_streaming(model, clip)
        loss = model.train()(clip).square().mean()
        (loss + sum(model.auxiliary_losses().values())).backward()
        assert all(p.grad is not None for p in model.parameters())
        return model

    return check


def _make_clips(model: VideoModel, frames: int, batch: int = 2) -> Tensor:
    stacked = [clips(frames + i, batch)[:, :, i:] for i in range(model.preprocess.stack)]
    return torch.cat(stacked, 1)


def _check_export(model: VideoModel, frames: int, any_frames: bool) -> None:
    free = {0: torch.export.Dim("batch", min=1, max=16)}
    if any_frames:
        free[2] = torch.export.Dim("frames", min=3, max=64)
    program = torch.export.export(model, (_make_clips(model, frames),), dynamic_shapes={"clip": free}).module()
    for count in (frames, 2 * frames) if any_frames else (frames,):
        assert_close(program(_make_clips(model, count, batch=3)), model(_make_clips(model, count, batch=3)))


def _check_streaming(model: VideoModel, clip: Tensor) -> None:
    state = model.init_state(len(clip), 32)
    assert len(state) == len(model.state_names) == len(set(model.state_names))
    logits = clip.new_zeros(())
    for frames in clip.split(model.step_frames, 2):
        logits, state = model.step(frames, state)
    assert_close(logits, model(clip))
