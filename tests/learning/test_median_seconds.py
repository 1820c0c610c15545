"""Median length of training videos, estimated from a few of them."""

from __future__ import annotations

import numpy as np
from PIL import Image

from spatempo.data.manifest import load_manifest
from spatempo.learning.clips import median_seconds
from spatempo.video.writer import write_video


def test_median_length_of_readable_videos(tmp_path) -> None:
    for name, frames in (("a", 5), ("b", 12), ("c", 40)):  # 0.5, 1.2 and 4 s
        write_video(tmp_path / "one class" / f"{name}.mp4", np.zeros((frames, 16, 16, 3), np.uint8), 10)
    assert median_seconds(load_manifest(tmp_path)) == 1.2
    (tmp_path / "one class" / "d.mp4").write_text("no video")  # reported only when training reads it
    assert median_seconds(load_manifest(tmp_path)) == 1.2
    assert median_seconds(load_manifest(tmp_path), max_videos=1) == 0.5


def test_image_folders_have_no_length_in_seconds(tmp_path) -> None:
    folder = tmp_path / "one class" / "clip"
    folder.mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (16, 16)).save(folder / f"img_{number + 1:05d}.jpg")
    assert median_seconds(load_manifest(tmp_path)) is None
