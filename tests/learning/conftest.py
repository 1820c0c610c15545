"""Tiny videos for the tests of training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_runs import COLOURS

from spatempo.video.writer import write_video


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``train.csv`` (22 clips) and ``val.csv`` (9) of three classes that differ in colour."""
    root = tmp_path_factory.mktemp("clips with spaces und Umläute")
    rng = np.random.default_rng(0)
    (root / "videos").mkdir()
    lines = []
    for number in range(31):
        label = number % 3
        frames = rng.integers(0, 160, (6, 20, 24, 3), dtype=np.uint8)
        frames[..., label] += 60
        write_video(root / "videos" / f"clip {number}.mp4", frames, 10)
        lines.append(f"videos/clip {number}.mp4,{COLOURS[label]}\n")
    (root / "train.csv").write_text("path,label\n" + "".join(lines[:22]), encoding="utf-8")
    (root / "val.csv").write_text("path,label\n" + "".join(lines[22:]), encoding="utf-8")
    return root
