"""``predict`` on unreadable input: each video is reported once, a silent URL times out, Ctrl-C ends the wait."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from video_clips import make_clip
from video_server import serve

from spatempo.cli.main import main


def test_predictions_for_a_url_equal_those_for_the_file(document, checkpoint, tmp_path):
    clip = make_clip(tmp_path / "a.mp4", count=20)
    with serve(clip.read_bytes()) as server:
        (remote,), (local,) = document("predict", checkpoint, server.address), document("predict", checkpoint, clip)
    assert remote["video"] == server.address
    assert remote["predictions"] == local["predictions"]


@pytest.mark.parametrize("timeline", [False, True])
def test_a_silent_server_times_out(capsys, failure, document, checkpoint, tmp_path, timeline):
    words = ["--timeline", "--out", tmp_path / "out"] if timeline else []
    with serve(b"", "silent") as server:
        if timeline:
            line = failure("predict", checkpoint, server.address, "--timeout", 0.5, *words)
        else:
            (entry,) = document("predict", checkpoint, server.address, "--timeout", 0.5, code=2)
            line = f"{entry['video']}: {entry['error']}"
    assert f"{server.address}: timed out: no answer within 0.5 s; check the address" in line


def test_an_unreadable_video_is_reported_once(capsys, checkpoint, tmp_path):
    good, bad = make_clip(tmp_path / "good.mp4", count=20), tmp_path / "bad.mp4"
    bad.write_text("text")
    for words, inside in (([bad], False), ([good, bad], True)):
        assert main(["predict", str(checkpoint), *map(str, words)]) == 2
        captured = capsys.readouterr()
        assert (captured.out + captured.err).count(str(bad)) == 1
        assert (captured.out + captured.err).count("not a video") == 1
        assert (str(bad) in captured.out) is inside
        assert captured.err.count("\n") == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
@pytest.mark.parametrize("timeline", [False, True])
def test_pipes_and_devices_are_not_read(failure, checkpoint, tmp_path, timeline):
    os.mkfifo(tmp_path / "pipe.mp4")
    words = ["--timeline", "--out", tmp_path / "out"] if timeline else []
    for path in (tmp_path / "pipe.mp4", "/dev/zero"):
        assert f"{path}: neither a file nor a folder" in failure("predict", checkpoint, path, *words)


def test_errors_for_a_url_do_not_mention_files(capsys, document, checkpoint):
    with serve(b"", "404 Not Found") as server:
        assert main(["predict", str(checkpoint), server.address]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "404 Not Found; check the address" in error
    assert "replace the file" not in error
    assert "data scan" not in error


@pytest.mark.parametrize("timeout", [0, -1, "nan", "inf"])
def test_the_timeout_is_checked_before_the_model_is_loaded(failure, timeout):
    assert "seconds above 0" in failure("predict", "no checkpoint", "a.mp4", f"--timeout={timeout}")


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a child process")
def test_ctrl_c_interrupts_waiting_for_a_server(checkpoint):
    with serve(b"", "silent") as server:
        words = [sys.executable, "-m", "spatempo", "predict", str(checkpoint), server.address, "--timeout", "600"]
        waiting = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            assert server.contacted.wait(120)
            time.sleep(1)  # until it is waiting
            waiting.send_signal(signal.SIGINT)
            output, errors = waiting.communicate(timeout=30)
        finally:
            waiting.kill()
    assert (waiting.returncode, output, errors) == (130, "", "spatempo: error: interrupted\n")
