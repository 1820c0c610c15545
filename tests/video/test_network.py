"""Videos at network addresses: servers that answer, refuse, or stall; and Ctrl-C while waiting."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from video_clips import decode_all, make_clip
from video_server import serve

from spatempo.errors import SpatempoError, VideoError
from spatempo.video.pyav_reader import PyAVReader
from spatempo.video.source import open_video

SHORT = 0.6  # seconds


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Larger than FFmpeg's buffers, so missing data is noticed and seeking back needs another request."""
    folder = tmp_path_factory.mktemp("served")
    options = {"qp": "10", "x264-params": "threads=1:keyint=12"}
    path = make_clip(folder / "a.mp4", count=60, height=120, width=160, options=options, movflags="faststart")
    assert path.stat().st_size > 500_000
    return path


def rejection(address: str, timeout: float = 10) -> str:
    """The reason for which an address is rejected."""
    with pytest.raises(VideoError) as error:
        open_video(address, timeout=timeout).read([0, 59, 30])
    assert "\n" not in str(error.value)
    assert address in str(error.value)
    return error.value.reason


@pytest.mark.parametrize("manner", ["well", "no ranges"])
def test_an_address_gives_the_frames_of_the_file(clip: Path, manner: str) -> None:
    expected = decode_all(clip)
    with serve(clip.read_bytes(), manner) as server:
        for _ in range(3):  # without ranges a seek opens the address again and must not use the closed file
            with open_video(server.address) as video:
                assert video.frames == 60
                assert np.array_equal(video.read([50, 3, 30]), expected[[50, 3, 30]])
        assert sum(1 for _ in open_video(server.address).stream(short_side=16)) == 60


def test_time_between_two_reads_does_not_count_as_waiting(tmp_path: Path) -> None:
    # a container in which FFmpeg has to read data for a seek
    options = {"qp": "10", "x264-params": "keyint=12"}
    path = make_clip(tmp_path / "a.avi", b_frames=0, height=240, width=320, options=options)
    with serve(path.read_bytes()) as server, PyAVReader(server.address, timeout=SHORT) as video:
        video.read([40])
        opened = video._decoder._container
        time.sleep(2 * SHORT)
        assert video.read([0]).shape == (1, 240, 320, 3)
        assert video._decoder._container is opened  # the reader used a seek and did not open the address again


@pytest.mark.parametrize("manner", ["silent", "stalls", "dribbles", "stalls at a seek"])
def test_a_stalling_server_times_out(clip: Path, manner: str) -> None:
    with serve(clip.read_bytes(), manner) as server:
        assert f"timed out: no answer within {SHORT:g} s" in rejection(server.address, SHORT)


@pytest.mark.parametrize("scheme", ["https", "rtsp", "rtmp", "ftp", "tcp"])
def test_every_protocol_times_out(scheme: str) -> None:
    with serve(b"", "silent") as server:
        assert "timed out" in rejection(f"{scheme}://127.0.0.1:{server.port}/a.mp4", SHORT)


def test_streaming_times_out(clip: Path) -> None:
    with serve(clip.read_bytes()) as working:
        video = PyAVReader(working.address, timeout=SHORT)
        with serve(clip.read_bytes(), "stalls") as stalling:
            video.path = stalling.address
            with pytest.raises(VideoError, match="timed out"):
                list(video.stream())


def test_errors_state_the_cause(clip: Path) -> None:
    with serve(b"<html>Sign in</html>" * 50) as server:
        assert "not a video" in (reason := rejection(server.address))
        assert "check that a video is at this address" in reason
        gone = server.address
    assert "connection refused; check the address" in rejection(gone)
    for status in ("404 Not Found", "403 Forbidden"):
        with serve(b"", status) as server:
            assert status in rejection(server.address)
    with serve(clip.read_bytes(), "closes") as server:
        assert "cannot be read" in rejection(server.address)
    assert "host 'no.such.host.invalid' not found" in rejection("http://no.such.host.invalid/a.mp4")
    assert "gopherish:// cannot be opened" in rejection("gopherish://127.0.0.1/a.mp4")


def test_the_timeout_is_validated_and_pickled(clip: Path) -> None:
    for timeout in (0, -1, float("nan"), float("inf")):
        with pytest.raises(SpatempoError, match="seconds above 0"):
            open_video(clip, timeout=timeout)
    assert pickle.loads(pickle.dumps(PyAVReader(str(clip), timeout=3))).timeout == 3


def test_torchcodec_is_rejected_for_addresses() -> None:
    with pytest.raises(VideoError, match="use backend='pyav'"):
        open_video("http://127.0.0.1:1/a.mp4", backend="torchcodec")


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a child process")
@pytest.mark.parametrize("manner", ["silent", "stalls"])
def test_ctrl_c_ends_the_wait(clip: Path, manner: str) -> None:
    program = "import sys; from spatempo.video.source import open_video; open_video(sys.argv[1], timeout=600)"
    with serve(clip.read_bytes(), manner) as server:
        waiting = subprocess.Popen([sys.executable, "-c", program, server.address], stderr=subprocess.PIPE, text=True)
        try:
            assert server.contacted.wait(60)
            time.sleep(1)  # until it waits for data
            waiting.send_signal(signal.SIGINT)
            _, stderr = waiting.communicate(timeout=30)
        finally:
            waiting.kill()
    assert stderr.rstrip().endswith("KeyboardInterrupt")
    assert waiting.returncode in (1, -signal.SIGINT)
