"""Files with random and with targeted damage: each is read, or rejected with one line."""

from __future__ import annotations

import os
import struct
from itertools import count
from pathlib import Path

import pytest
from damage import CLIPS, KINDS, Damage, damaged, write_clips
from hypothesis import given, settings
from hypothesis import strategies as st
from video_clips import make_clip

from spatempo.errors import VideoError
from spatempo.video.source import open_video

_number = count()
_changes = st.lists(
    st.builds(Damage, st.sampled_from(KINDS), st.floats(0, 1), st.integers(1, 2000), st.integers(0, 255)),
    min_size=1,
    max_size=4,
)


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return write_clips(tmp_path_factory.mktemp("intact"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


def read_or_reject(path: Path) -> None:
    """Any error other than a VideoError of one line fails the test."""
    try:
        with open_video(path) as video:
            n, size = video.frames, (video.height, video.width)
            assert n >= 1
            assert video.read([0, n // 2, n - 1]).shape == (3, *size, 3)
            assert len(video.read([n - 1, 0], short_side=16)) == 2
    except VideoError as error:
        message = str(error)
    else:
        return
    assert "\n" not in message


def _check(intact: dict[str, bytes], folder: Path, name: str, changes: list[Damage]) -> None:
    path = folder / f"{next(_number)} {name}"  # a new name each time, because properties are cached by name
    path.write_bytes(damaged(intact[name], changes) or b"\0")
    read_or_reject(path)
    path.unlink()


@settings(max_examples=200)
@given(name=st.sampled_from(sorted(CLIPS)), changes=_changes)
def test_a_damaged_file_is_read_or_rejected(
    intact: dict[str, bytes], folder: Path, name: str, changes: list[Damage]
) -> None:
    _check(intact, folder, name, changes)


@pytest.mark.slow
@settings(max_examples=5000)
@given(name=st.sampled_from(sorted(CLIPS)), changes=_changes)
def test_many_damaged_files_are_read_or_rejected(
    intact: dict[str, bytes], folder: Path, name: str, changes: list[Damage]
) -> None:
    _check(intact, folder, name, changes)


def test_each_kind_of_damage() -> None:
    data = bytes(range(100, 200))
    assert damaged(data, [Damage("flip", 0, 9, 3)]) == bytes([100 ^ 8]) + data[1:]
    assert damaged(data, [Damage("cut", 0.5, 9, 0)]) == data[:49]
    assert damaged(data, [Damage("zero", 0, 3, 0)]) == bytes(3) + data[3:]
    assert damaged(data, [Damage("repeat", 0, 3, 0)]) == data[:3] + data
    assert damaged(data, [Damage("drop", 0, 3, 0)]) == data[3:]
    assert damaged(data, [Damage("header", 0.5, 3, 7)]) == data[:-1] + b"\x07"
    assert damaged(data, [Damage("header", 0, 3, 7)]) == b"\x07" + data[1:]
    assert damaged(data, [Damage("number", 0, 3, 1)]) == b"\xff" * 4 + data[4:]
    assert len(damaged(data, [Damage("noise", 0.9, 50, 7)])) == 100


def test_an_unknown_codec_is_reported(intact: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(intact["h264.mp4"].replace(b"avc1", b"zzzz").replace(b"avcC", b"zzzC"))
    with pytest.raises(VideoError, match="its codec is unknown: damaged, or not supported"):
        open_video(path)


@pytest.mark.parametrize(("codec", "pix_fmt", "name"), [("gif", "rgb8", "a.gif"), ("ffv1", "yuv420p", "a.avi")])
def test_frames_of_invalid_size_are_not_allocated(tmp_path: Path, codec: str, pix_fmt: str, name: str) -> None:
    """The header states 16000 x 16000 pixels: 3 GB for the frames of such a GIF."""
    path = make_clip(tmp_path / name, codec, pix_fmt=pix_fmt, count=2, height=48, width=64)
    old, new = (struct.pack("<HH" if codec == "gif" else "<ii", *size) for size in ((64, 48), (16000, 16000)))
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(VideoError, match=r"16000x16000 pixels, more than 67 million|no frame can be decoded"):
        open_video(path)


def test_a_frame_that_becomes_too_large_is_rejected(tmp_path: Path) -> None:
    """A size that changes within the video is not in the header: VP8 key frames have their own size."""
    options = {"deadline": "realtime"}
    path = make_clip(tmp_path / "a.ivf", "libvpx", count=6, height=48, width=64, gop=3, options=options)
    data = path.read_bytes()
    start = b"\x9d\x01\x2a"
    head, middle, tail = data.partition(start + struct.pack("<HH", 64, 48))
    path.write_bytes(head + middle + tail.replace(start + struct.pack("<HH", 64, 48), start + b"\xff\x3f\xff\x3f"))
    assert path.read_bytes() != data
    assert open_video(path).frames == 3


@pytest.mark.parametrize("text", ["ffconcat version 1.0\nfile {}\n", "#EXTM3U\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"])
def test_a_list_of_other_files_is_rejected(tmp_path: Path, text: str) -> None:
    make_clip(tmp_path / "other.mp4", count=3)
    (tmp_path / "list.mp4").write_text(text.format("other.mp4"))
    with pytest.raises(VideoError, match="not a video"):
        open_video(tmp_path / "list.mp4")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_is_rejected_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path / "pipe.mp4", Path("/dev/zero")):
        if path.exists():
            with pytest.raises(VideoError, match="neither a file nor a folder"):
                open_video(path)
