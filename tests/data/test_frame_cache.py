"""The cache of decoded frames on disk."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from spatempo.data.cache import FrameCache
from spatempo.data.dataset import ClipDataset
from spatempo.data.manifest import load_manifest
from spatempo.errors import SpatempoError, VideoError
from spatempo.inputs.spec import Preprocess
from spatempo.video.source import open_video

SMALL = Preprocess(frames=4, size=16, resize=20)


@pytest.mark.parametrize("short_side", [24, 48, 100])  # smaller than the clips, the same size, larger
def test_cached_frames_equal_decoded_frames(clips, tmp_path, short_side):
    manifest = load_manifest(clips)
    cache = pickle.loads(pickle.dumps(FrameCache(manifest, short_side, tmp_path / "c").fill(workers=0)))
    wanted = [3, 0, 6, 6, 1]
    for sample in manifest.samples:
        with open_video(sample.path) as source, cache.open(sample) as cached:
            assert cached.frames == source.frames
            got = cached.read(wanted, short_side=short_side)
            np.testing.assert_array_equal(got, source.read(wanted, short_side=short_side))
            assert got.flags.writeable


@pytest.mark.parametrize("train", [True, False])
def test_items_are_the_same_with_and_without_cache(clips, tmp_path, train):
    manifest = load_manifest(clips)
    plain = ClipDataset(manifest, SMALL, train=train)
    cache = FrameCache(manifest, plain.short_side, tmp_path).fill(workers=0)
    cached = ClipDataset(manifest, SMALL, train=train, cache=cache)
    for i in range(len(plain)):
        assert torch.equal(plain[1, i]["clip"], cached[1, i]["clip"])


def test_a_long_clip_is_written_in_pieces(write_clip, tmp_path):
    write_clip(tmp_path / "a" / "long.mp4", frames=150, height=16, width=16)
    manifest = load_manifest(tmp_path)
    cache = FrameCache(manifest, 16, tmp_path / "c").fill(workers=0)
    with open_video(manifest.samples[0].path) as source, cache.open(manifest.samples[0]) as cached:
        np.testing.assert_array_equal(cached.read(range(150), 16), source.read(range(150)))


def test_a_changed_video_is_decoded_again(write_clip, tmp_path):
    path = write_clip(tmp_path / "v" / "a" / "1.mp4", seed=1)
    write_clip(tmp_path / "v" / "a" / "2.mp4", seed=2)
    manifest = load_manifest(tmp_path / "v")
    calls = []

    def fill() -> FrameCache:
        calls.clear()
        return FrameCache(manifest, 20, tmp_path / "c").fill(workers=0, progress=lambda *n: calls.append(n))

    fill()
    assert calls == [(1, 2), (2, 2)]
    fill()
    assert calls == []
    before = os.stat(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    fill()
    assert calls == [(1, 1)]  # new modification time, same size
    write_clip(path, seed=3, width=80)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    cache = fill()
    assert calls == [(1, 1)]  # new size, same modification time
    with open_video(path) as source, cache.open(manifest.samples[0]) as cached:
        np.testing.assert_array_equal(cached.read([5], 20), source.read([5], 20))
    FrameCache(manifest, 24, tmp_path / "c").fill(workers=0, progress=lambda *n: calls.append(n))
    assert calls[-1] == (2, 2)


def test_a_damaged_cache_file_is_written_again(clips, tmp_path):
    manifest = load_manifest(clips)
    FrameCache(manifest, 20, tmp_path).fill(workers=0)
    file = sorted(tmp_path.glob("*.npy"))[0]
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"something else"):
        file.write_bytes(damaged)
        FrameCache(manifest, 20, tmp_path).fill(workers=0)
        assert file.read_bytes() == whole
    assert not list(tmp_path.glob(".*.part"))


def test_exceeding_the_limit_is_an_error_before_decoding(clips, tmp_path):
    # 4 clips of 12 frames and 2 of 7, of 24 x 32 pixels, in RGB: 142848 bytes
    manifest = load_manifest(clips)
    with pytest.raises(SpatempoError, match=r"needs 0\.00 GB for 6 clips at short side 24, its limit"):
        FrameCache(manifest, 24, tmp_path / "c", limit_bytes=142_847).fill(workers=0)
    assert not (tmp_path / "c").exists()
    FrameCache(manifest, 24, tmp_path / "c", limit_bytes=142_848).fill(workers=0)
    with pytest.raises(SpatempoError, match="its limit"):  # cached clips also count
        FrameCache(manifest, 24, tmp_path / "c", limit_bytes=142_847).fill(workers=0)


def test_too_little_disk_space_is_an_error(clips, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1000, 900, 100))
    with pytest.raises(SpatempoError, match=r"the disk has 0\.00 GB free"):
        FrameCache(load_manifest(clips), 24, tmp_path).fill(workers=0)


FULL_DISK = """
import resource, sys
from spatempo.data.cache import FrameCache
from spatempo.data.manifest import load_manifest
from spatempo.errors import SpatempoError
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    FrameCache(load_manifest(sys.argv[1]), 24, sys.argv[2]).fill(workers=0)
except SpatempoError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs file-size limits")
def test_a_full_disk_leaves_no_partial_file(clips, tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(clips), str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "cannot be written (File too large)" in run.stdout
    assert run.stdout.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_unreadable_videos_give_the_same_error_with_cache(write_clip, tmp_path):
    write_clip(tmp_path / "a" / "1.mp4")
    (tmp_path / "a" / "2.mp4").write_text("not a video")
    (tmp_path / "t.csv").write_text("path,label\na/1.mp4,x\na/2.mp4,x\na/3.mp4,x\n")
    manifest = load_manifest(tmp_path / "t.csv")
    plain = ClipDataset(manifest, SMALL, train=True)
    cache = FrameCache(manifest, plain.short_side, tmp_path / "c").fill(workers=0)
    cached = ClipDataset(manifest, SMALL, train=True, cache=cache)
    assert "clip" in cached[0]
    assert cached[1]["error"] == plain[1]["error"]
    assert Path(cached[2]["path"]).name == "3.mp4"
    with pytest.raises(VideoError, match=r"3\.mp4"):
        cache.open(manifest.samples[2])


def test_invalid_use_is_an_error(clips, tmp_path):
    manifest = load_manifest(clips)
    with pytest.raises(SpatempoError, match="fill it"):
        FrameCache(manifest, 20, tmp_path).open(manifest.samples[0])
    cache = FrameCache(manifest, 20, tmp_path).fill(workers=0)
    with pytest.raises(SpatempoError, match="short side 20, this data set reads 25"):
        ClipDataset(manifest, SMALL, train=True, cache=cache)  # 16 / 0.66
    with cache.open(manifest.samples[0]) as cached:
        with pytest.raises(SpatempoError, match="cached with short side 20, not 24"):
            cached.read([0], short_side=24)
        with pytest.raises(VideoError, match="frame 12 requested"):
            cached.read([12], short_side=20)
    (tmp_path / "file").write_text("")
    with pytest.raises(SpatempoError, match="cannot be created"):
        FrameCache(manifest, 20, tmp_path / "file" / "c").fill(workers=0)
