"""Training on long clips as in the R(2+1)D paper: train on short clips, then fine-tune (see docs/training.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tiny_runs import TINY

from spatempo.learning.train import train
from spatempo.models.checkpoint import load


def run(clips: Path, out: Path, **settings: Any) -> Any:
    settings = {**TINY, "model": "r2plus1d_18", "options": {"width": 4}, "epochs": 1, **settings}
    return load(train(clips / "train.csv", out=out, **settings).checkpoint)


def test_long_clips_start_from_weights_of_short_clips(clips: Path, tmp_path: Path) -> None:
    short = run(clips, tmp_path / "short", recipe="r2plus1d", frames=2)
    started = run(clips, tmp_path / "still", recipe="r2plus1d-longer", weights=tmp_path / "short", frames=4, lr=1e-12)
    for (name, a), b in zip(short.named_parameters(), started.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=0, msg=name)  # the classifier too
    for model, frames in ((short, 2), (started, 4)):
        spec = model.preprocess
        assert (spec.frames, spec.sampling, spec.window, spec.size) == (frames, "dense", None, 16)
    long = run(clips, tmp_path / "long", recipe="r2plus1d-longer", weights=tmp_path / "short", frames=4)
    assert long.recipe["name"] == "r2plus1d-longer"
    assert long.recipe["lr"] == 0.001 * 4 / 32  # proportional to the batch size
    assert not torch.allclose(long.backbone.stem[0].weight, short.backbone.stem[0].weight, atol=1e-7)
