"""The Python blocks of README.md run as written, on small videos created by the test."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import spatempo
from spatempo.learning.train import train
from spatempo.video.writer import write_video

README = Path(__file__).resolve().parents[1] / "README.md"


def test_python_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    assert len(blocks) == 2
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    for label in ("wave", "clap"):
        (tmp_path / "my_videos" / label).mkdir(parents=True)
        for number in range(5):
            frames = draw.integers(0, 255, (6, 32, 32, 3), dtype=np.uint8)
            write_video(tmp_path / "my_videos" / label / f"{number}.mp4", frames, 10)
    write_video(tmp_path / "clip.mp4", frames, 10)
    # the same call with a short training, because the original takes an hour
    short = {"epochs": 1, "size": 32, "frames": 2, "batch_size": 4, "workers": 0, "device": "cpu", "quiet": True}
    monkeypatch.setattr(spatempo, "train", partial(train, **short))
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)
    assert names["logits"].shape == (1, 10)  # type: ignore[attr-defined]
    model = names["model"]
    assert sorted(model.classes) == ["clap", "wave"]  # type: ignore[attr-defined]
    assert len(spatempo.predict(model, ["clip.mp4"] * 2)) == 2  # type: ignore[call-overload]
