"""Available readers; torchcodec, if it loads, reads the same frames as PyAV."""

from __future__ import annotations

import pickle
import sys

import av
import numpy as np
import pytest
from video_clips import decode_all, make_clip

from spatempo.errors import SpatempoError, VideoError
from spatempo.video.backends import available_backends
from spatempo.video.source import VideoSource, open_video


def test_readers_are_listed_with_version_or_reason() -> None:
    backends = available_backends()
    assert backends["pyav"] == av.__version__
    assert backends["torchcodec"][0].isdigit() or backends["torchcodec"].startswith("not usable: ")
    assert all("\n" not in text for text in backends.values())


def test_a_reader_that_does_not_load_is_reported(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)
    assert available_backends()["torchcodec"].startswith("not usable: torchcodec does not load")
    with pytest.raises(SpatempoError, match="use backend='pyav'"):
        open_video(make_clip(tmp_path / "a.mp4", count=2), backend="torchcodec")


def test_torchcodec_reads_the_same_frames(tmp_path) -> None:
    if not available_backends()["torchcodec"][0].isdigit():
        pytest.skip("torchcodec does not load here")
    path = make_clip(tmp_path / "ein Film ü.mp4", options={"x264-params": "threads=1:keyint=12"})
    expected = decode_all(path)
    with open_video(path, backend="torchcodec") as video:
        assert isinstance(video, VideoSource)
        assert (video.frames, video.height, video.width, video.codec) == (60, 64, 96, "h264")
        assert video.fps == pytest.approx(25)
        indices = [59, 0, 0, 31]
        for source in (video, pickle.loads(pickle.dumps(video))):
            assert np.abs(source.read(indices).astype(int) - expected[indices]).max() <= 3
        assert video.read(indices, short_side=32).shape == (4, 32, 48, 3)
        assert video.read([], short_side=32).shape == (0, 32, 48, 3)
        assert np.array_equal(video.read([3], short_side=500), video.read([3]))
        times, frames = zip(*video.stream(short_side=32), strict=True)
        assert np.allclose(np.diff(times), 1 / 25)
        assert np.array_equal(frames[31], video.read([31], short_side=32)[0])
        with pytest.raises(VideoError, match="use 0 to 59"):
            video.read([60])
    text = tmp_path / "fake.mp4"
    text.write_text("text")
    with pytest.raises(VideoError, match="leave it out"):
        open_video(text, backend="torchcodec")
