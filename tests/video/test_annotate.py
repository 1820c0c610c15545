"""Captions drawn on a video: position, times and frame rate."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from video_clips import make_clip, pictures

from spatempo.errors import SpatempoError, VideoError
from spatempo.video.annotate import annotate, draw_captions, resample
from spatempo.video.source import open_video


def test_a_varying_rate_becomes_constant_and_keeps_times():
    frames = [(time, np.array([number])) for number, time in enumerate([0.0, 0.1, 0.25, 0.9, 1.0])]
    # at 10 frames per second: frame 1 at 0.1 and 0.2, frame 2 from 0.25 on, frame 3 at 0.9
    assert [int(image[0]) for image in resample(iter(frames), 10)] == [0, 1, 1, 2, 2, 2, 2, 2, 2, 3, 4]
    assert [int(image[0]) for image in resample(iter(frames), 2)] == [0, 2, 4]


def test_a_caption_is_visible_from_its_start_to_its_end():
    frames = np.full((40, 60, 80, 3), 100, np.uint8)
    shown = list(draw_captions(frames, [(0.5, 1.0, "one"), (1.0, 1.5, "another"), (3.0, 3.1, "last")], fps=10))
    changed = [i for i, frame in enumerate(shown) if not np.array_equal(frame, frames[i])]
    assert changed == [*range(5, 15), 30]
    assert (frames == 100).all()  # captions are drawn on copies
    one, another = shown[5], shown[10]
    assert not np.array_equal(one, another)
    for frame in (one, another):
        assert frame.max() > 200  # white letters
        assert (frame[:40] == 100).all()  # in the lower part
        assert (frame[-1, :10] == 25).all()  # on a darkened background


@pytest.mark.parametrize("shape", [(61, 81), (33, 20), (480, 640)])
def test_sizes_become_even_and_long_captions_fit(shape):
    (frame,) = draw_captions(
        np.full((1, *shape, 3), 100, np.uint8), [(0, 9, "a caption of some forty letters or so")], fps=1
    )
    assert frame.shape == (shape[0] // 2 * 2, shape[1] // 2 * 2, 3)
    assert frame.max() > 150
    if shape[1] > 100:
        assert (frame[:, -4:] == 100).all()  # the end of the text is visible


def test_annotated_file(tmp_path: Path):
    video = make_clip(tmp_path / "v.mp4", count=60, height=63, width=97, pix_fmt="yuv444p")
    seconds: list[float] = []
    out = annotate(video, [(1.0, 2.0, "hello")], tmp_path / "out.mp4", lambda now, all_: seconds.append(now))
    assert seconds == [0.0, 1.0, 2.0]
    with open_video(video) as before, open_video(out) as after:
        assert (after.frames, after.fps, after.height, after.width) == (60, 25, 62, 96)
        old, new = before.read(range(60))[:, :62, :96].astype(int), after.read(range(60)).astype(int)
    corner = abs(new - old)[:, -8:, :12].mean((1, 2, 3))
    assert corner[25:50].min() > 2 * max(corner[:25].max(), corner[50:].max())
    rest = [abs(new - np.roll(old, later, 0))[:, :30].mean() for later in range(-2, 3)]
    assert np.argmin(rest) == 2  # the same images at the same times


def test_annotated_file_of_a_video_with_varying_rate(tmp_path: Path):
    times = [*range(0, 1000, 40), *range(1000, 3000, 400)]  # milliseconds
    video = make_clip(tmp_path / "v.mkv", count=30, times=times, time_base=Fraction(1, 1000), b_frames=0)
    with open_video(annotate(video, [], tmp_path / "out.mkv")) as after:
        assert after.duration == pytest.approx(2.6, abs=0.2)
        late = after.read([round(2.3 * after.fps)])[0].astype(int)
    assert np.argmin(abs(pictures(30) - late).mean((1, 2, 3))) == 28  # displayed from 2.2 to 2.6 s


def test_invalid_arguments_are_rejected(tmp_path: Path, monkeypatch):
    video = make_clip(tmp_path / "v.mp4", count=5)
    before = video.read_bytes()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpatempoError, match="is the video itself"):
        annotate(video, [], "v.mp4")
    for name in ("out.txt", "out"):
        with pytest.raises(SpatempoError, match="end it in one of"):
            annotate(video, [], name)
    with pytest.raises(VideoError, match=r"none\.mp4"):
        annotate("none.mp4", [], "out.mp4")
    assert video.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["v.mp4"]


def test_an_interruption_leaves_no_file(tmp_path: Path):
    video = make_clip(tmp_path / "v.mp4", count=60)

    def interrupt(now: float, all_: float) -> None:
        if now >= 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        annotate(video, [], tmp_path / "out.mp4", interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["v.mp4"]
