"""Truncated, damaged and invalid files; sources after pickling, after a fork, and after the file changed."""

from __future__ import annotations

import dataclasses
import gc
import multiprocessing
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from video_clips import decode_all, make_clip

from spatempo.errors import SpatempoError, VideoError
from spatempo.video import _info
from spatempo.video.pyav_reader import PyAVReader
from spatempo.video.source import open_video

GOP12 = {"crf": "30", "x264-params": "threads=1:keyint=12:scenecut=0"}


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("intact") / "intact.mp4", options=GOP12, movflags="faststart")


def cut(path: Path, fraction: float) -> Path:
    data = path.read_bytes()
    out = path.with_name(f"cut {fraction} {path.name}")
    out.write_bytes(data[: int(len(data) * fraction)])
    return out


def rejection(path: Path | str, **options) -> str:
    """The one-line reason for which a file is rejected."""
    with pytest.raises(VideoError) as error:
        open_video(path, **options).read([0])
    line = str(error.value)
    assert "\n" not in line
    assert str(path) in line
    assert error.value.reason in line
    return error.value.reason


@pytest.mark.parametrize("fraction", [0.35, 0.8, 0.97])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {"options": GOP12, "movflags": "faststart"}),
        ("a.mkv", {"options": GOP12}),
        ("a.ts", {"options": GOP12}),
        ("a.avi", {"codec": "mpeg4", "gop": 12, "b_frames": 2, "options": {"qscale": "9"}}),
        ("a.webm", {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}}),
    ],
)
def test_a_file_cut_short_gives_the_frames_that_decode(
    tmp_path: Path, name: str, options: dict, fraction: float
) -> None:
    path = cut(make_clip(tmp_path / name, **options), fraction)
    expected = decode_all(path)
    assert 1 <= len(expected) <= 60
    assert fraction > 0.9 or len(expected) < 60
    video = open_video(path)
    assert video.frames == len(expected)
    for indices in ([len(expected) - 1, 0, len(expected) // 2], range(len(expected))):
        assert np.array_equal(video.read(indices), expected[indices])
    with pytest.raises(VideoError, match="frames: use 0 to"):
        video.read([len(expected)])


def test_an_mp4_without_its_table_is_rejected(tmp_path: Path) -> None:
    path = cut(make_clip(tmp_path / "end.mp4", options=GOP12), 0.9)  # the table is at the end
    assert "no video stream, or is cut short" in rejection(path)


@pytest.mark.parametrize("size", [1, 4, 300])
@pytest.mark.parametrize("seed", range(5))
def test_damage_inside_a_file_gives_the_frames_of_a_full_decode(
    intact: Path, tmp_path: Path, seed: int, size: int
) -> None:
    """Bytes are overwritten in the middle. A full decode skips packets that it cannot decode."""
    rng = np.random.default_rng(seed)
    data = bytearray(intact.read_bytes())
    for at in rng.integers(data.index(b"mdat") + 1000, len(data) - 400, 3):
        data[at : at + size] = rng.integers(0, 256, size, dtype=np.uint8).tobytes()
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    expected = decode_all(path, one_thread=True)
    video = PyAVReader(path)
    count_is_correct = video.frames == len(expected)
    if not count_is_correct:  # only decoding detects it: one clear error, then a correct count
        with pytest.raises(VideoError, match=f"damaged: {len(expected)} of {video.frames} frames decode"):
            video.read(range(video.frames))
        assert video.frames == PyAVReader(path).frames == len(expected)
    for wanted in ([40], [20, 50], [59, 5], [30, 31], range(60)):
        if count_is_correct:
            _info._known.clear()  # clear the cache, to detect the damage from another position
        wanted = [i % len(expected) for i in wanted]
        assert np.array_equal(PyAVReader(path).read(wanted), expected[wanted])


def test_a_wrong_packet_index_is_detected_while_decoding(intact: Path) -> None:
    """The frames are correct even if the index is wrong."""
    expected = decode_all(intact)
    for field, change in {
        "pts": lambda a: a + 1,
        "entry": lambda a: a + 1,  # not key frames
        "shown": lambda a: np.zeros_like(a),
        "packet": lambda a: a[::-1],
    }.items():
        video = PyAVReader(intact)
        info = video._known()
        assert info.index is not None
        index = dataclasses.replace(info.index, **{field: change(getattr(info.index, field))})
        video._info = dataclasses.replace(info, index=index)
        try:
            frames = video.read([20, 3, 50])
        finally:
            os.utime(intact)  # invalidates the cache, so that other tests are not affected
        if field == "packet":  # a valid packet list in a wrong order cannot be detected
            assert not np.array_equal(frames, expected[[20, 3, 50]])
        else:
            assert np.array_equal(frames, expected[[20, 3, 50]]), field
            assert video.decodes_all is not None


def test_files_that_are_not_videos_are_rejected_in_one_line(tmp_path: Path) -> None:
    text = tmp_path / "fake.mp4"
    text.write_text("I am a text file\n" * 50, encoding="utf-8")
    assert "not a video, or damaged" in rejection(text)
    assert "leave it out" in rejection(text)

    empty = tmp_path / "empty.mp4"
    empty.touch()
    assert "empty" in rejection(empty)
    assert "no such file" in rejection(tmp_path / "missing.mp4")
    assert "no numbered images" in rejection(tmp_path)

    subtitles = tmp_path / "subtitles.mp4"
    subtitles.write_text("WEBVTT\n\n00:00.000 --> 00:04.000\nHello\n", encoding="utf-8")
    assert "no video stream" in rejection(subtitles)

    sound = tmp_path / "sound.mp4"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert "no video stream" in rejection(sound)

    none = tmp_path / "no frames.mp4"
    none.write_bytes(make_clip(tmp_path / "one.mp4", count=1, movflags="faststart").read_bytes()[:-30])
    data = bytearray(none.read_bytes())
    at = data.index(b"mdat") + 4
    data[at:] = bytes(len(data) - at)
    none.write_bytes(data)
    assert "no frame can be decoded" in rejection(none)


def test_a_file_without_read_permission_is_rejected(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "secret.mp4", count=2)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user can read all files")
    assert "Permission denied" in rejection(path)


@pytest.mark.parametrize("name", ["with spaces.mp4", "größe 動画 🎬.mp4", "a:b%03d.mp4", "-dash.mp4", "100%.mkv"])
def test_any_file_name_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    if sys.platform == "win32" and ":" in name:
        pytest.skip("not a valid name on Windows")
    plain = make_clip(tmp_path / f"plain{Path(name).suffix}", count=3)
    plain.rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert open_video(name).read([2]).shape == (1, 64, 96, 3)
    assert open_video(tmp_path / name).frames == 3


def test_invalid_arguments_raise_one_line_errors(intact: Path) -> None:
    video = open_video(intact)
    for indices in ([60], [-1], [0, 99]):
        with pytest.raises(VideoError, match=r"it has 60 frames: use 0 to 59"):
            video.read(indices)
    for indices in ([0.5], [[0, 1]], ["0"]):
        with pytest.raises(SpatempoError, match="whole numbers"):
            video.read(indices)
    with pytest.raises(SpatempoError, match="short_side=0"):
        video.read([0], short_side=0)
    with pytest.raises(SpatempoError, match="backend='decord'"):
        open_video(intact, backend="decord")
    with pytest.raises(VideoError, match="not a folder"):
        open_video(intact, template="img_{:05d}.jpg")


def test_a_source_is_pickled_as_its_path(intact: Path) -> None:
    expected = decode_all(intact)
    video = open_video(intact)
    video.read([30])
    other = pickle.loads(pickle.dumps(video))
    assert len(pickle.dumps(video)) < 500
    assert np.array_equal(other.read([31, 2]), expected[[31, 2]])
    assert np.array_equal(video.read([31, 2]), expected[[31, 2]])
    video.close()
    assert np.array_equal(video.read([5]), expected[[5]])  # opens again
    with open_video(intact) as again:
        assert again.frames == 60


def _in_child(work: Callable[[], object]) -> object:
    """Result of `work` in a forked child process."""
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=lambda: queue.put(work()), daemon=True)
    child.start()
    try:
        return queue.get(timeout=60)
    finally:
        child.join(timeout=1)
        child.kill()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_source_works_after_a_fork(intact: Path, threads: int) -> None:
    expected = decode_all(intact)
    video = PyAVReader(intact, threads=threads)
    video.read([25])  # open, in the middle of the file
    frames = _in_child(lambda: video.read([40, 7]))
    assert np.array_equal(frames, expected[[40, 7]])
    assert np.array_equal(video.read([26, 59]), expected[[26, 59]])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_garbage_collection_of_decoders_does_not_hang_a_forked_process(intact: Path) -> None:
    gc.collect()
    gc.disable()
    try:
        video = PyAVReader(intact, threads=2)
        video.read([25])
        cycle: list[object] = [video]
        cycle.append(cycle)
        del video, cycle
        assert _in_child(lambda: gc.collect() >= 0)
    finally:
        gc.enable()


def test_a_changed_file_is_analysed_again(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", count=20)
    assert open_video(path).frames == 20
    make_clip(path, count=33, width=80)
    video = open_video(path)
    assert (video.frames, video.width) == (33, 80)
    assert np.array_equal(video.read([32]), decode_all(path)[[32]])


def test_the_cache_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_info, "_LIMIT", 6000)
    monkeypatch.setattr(_info, "_known", type(_info._known)())
    paths = [make_clip(tmp_path / f"{i}.mp4", count=20) for i in range(6)]
    for path in paths:
        assert open_video(path).frames == 20
    assert 1 <= len(_info._known) < 6
    assert _info.recall(str(paths[-1])) is not None
    assert _info.recall(str(paths[0])) is None
