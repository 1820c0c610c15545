"""Real and unusual files in the folder ../shared/data; skipped if that folder does not exist."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from video_clips import SHARED, decode_all

from spatempo.video.source import open_video

FILES = sorted(
    path
    for folder in ("codec_cases", "clips/torchvision", "clips/mmaction2")
    for path in (SHARED / folder).glob("*.*")
    if path.suffix in (".mp4", ".mkv", ".avi")
)
# (frames, height, width) from other sources than this test: shared/data/README.md
FRAMES = {
    "nasa_13013.mp4": (390, 270, 480),
    "nasa_13013_rotated.mp4": (17, 480, 270),
    "discard_first_keyframe.mp4": (25, 64, 64),
    "hmdb51_Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6.avi": (83, 240, 320),
    "testsrc2_odd_height_and_width_vp9.mp4": (25, 241, 321),
    "testsrc2_444_10bit_hevc.mp4": (25, 241, 321),
    "arm_wrestling.mp4": (280, 256, 340),
}

pytestmark = pytest.mark.skipif(not FILES, reason="needs the folder ../shared/data")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_equals_a_full_decode(path: Path) -> None:
    expected = decode_all(path)
    rng = np.random.default_rng(zlib.crc32(path.name.encode()))
    with open_video(path) as video:
        shape = (video.frames, video.height, video.width)
        assert shape == expected.shape[:3]
        assert shape == FRAMES.get(path.name, shape)
        # the reader seeks in all files except those with codecs that need a full decode
        assert (video.decodes_all is None) == (video.codec not in ("mpeg4", "mpeg2video")), video.decodes_all
        for size in (1, 4, 8):
            indices = rng.integers(0, len(expected), size)
            assert np.array_equal(video.read(indices.tolist()), expected[indices])
        last = [len(expected) - 1]
        assert np.array_equal(video.read(last), expected[last])
        if min(shape[1:]) > 48:
            small = video.read([0], short_side=48)
            assert min(small.shape[1:3]) == 48
            step = min(shape[1:]) / 48
            assert small.shape[1:3] == (int(shape[1] / step + 1e-9), int(shape[2] / step + 1e-9))


def test_a_real_frame_folder_and_its_flow() -> None:
    folder = SHARED / "clips" / "mmaction2" / "frames"
    with open_video(folder) as video:
        assert video.frames == 10
        assert video.read([9, 0]).shape == (2, video.height, video.width, 3)
    assert open_video(folder, template="x_{:05d}.jpg").frames == 5
