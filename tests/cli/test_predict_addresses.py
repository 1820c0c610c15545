"""``predict`` of videos at addresses: it gives up, says why, and Ctrl-C ends it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest
from video_clips import make_clip
from video_server import serve


def test_an_address_is_predicted_like_a_file(document, checkpoint, tmp_path):
    clip = make_clip(tmp_path / "a.mp4", count=20)
    with serve(clip.read_bytes()) as server:
        (there,), (here,) = document("predict", checkpoint, server.address), document("predict", checkpoint, clip)
    assert there["video"] == server.address
    assert there["predictions"] == here["predictions"]


@pytest.mark.parametrize("timeline", [False, True])
def test_a_server_that_does_not_answer_is_given_up(capsys, failure, document, checkpoint, tmp_path, timeline):
    words = ["--timeline", "--out", tmp_path / "out"] if timeline else []
    with serve(b"", "silent") as server:
        if timeline:
            line = failure("predict", checkpoint, server.address, "--timeout", 0.5, *words)
        else:
            (entry,) = document("predict", checkpoint, server.address, "--timeout", 0.5, code=2)
            line = f"{entry['video']}: {entry['error']}"
    assert f"{server.address}: timed out: no answer within 0.5 s; check the address" in line


def test_what_is_said_of_an_address_fits_addresses(capsys, document, checkpoint):
    from spatempo.cli.main import main

    with serve(b"", "404 Not Found") as server:
        assert main(["predict", str(checkpoint), server.address]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "404 Not Found; check the address" in error
    assert "replace the file" not in error
    assert "data scan" not in error


@pytest.mark.parametrize("timeout", [0, -1, "nan", "inf"])
def test_the_timeout_is_checked_before_anything_is_loaded(failure, timeout):
    assert "seconds above 0" in failure("predict", "no checkpoint", "a.mp4", f"--timeout={timeout}")


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a child process")
def test_ctrl_c_ends_the_wait_for_a_server(checkpoint):
    with serve(b"", "silent") as server:
        words = [sys.executable, "-m", "spatempo", "predict", str(checkpoint), server.address, "--timeout", "600"]
        waiting = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            assert server.asked.wait(120)
            time.sleep(1)  # until it waits
            waiting.send_signal(signal.SIGINT)
            printed, said = waiting.communicate(timeout=30)
        finally:
            waiting.kill()
    assert (waiting.returncode, printed, said) == (130, "", "spatempo: error: interrupted\n")
