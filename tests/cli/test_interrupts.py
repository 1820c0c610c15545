"""Ctrl-C as in a terminal: the signal is sent to the command and to every process that it has started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no POSIX process groups")


def interrupted(*words: object, when: str, cwd: Path) -> str:
    """Starts a command, interrupts it when `when` (a Python expression of the process `p`) is true; returns stderr."""
    log = cwd / "stderr"
    with log.open("w") as stderr:
        p = subprocess.Popen(
            [sys.executable, "-m", "spatempo", *map(str, words)],
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
            cwd=cwd,
        )
        deadline = time.monotonic() + 120
        while not eval(when, {"children": children, "p": p, "text": log.read_text}):
            assert p.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(p.pid, signal.SIGINT)
        code = p.wait(timeout=100)
    printed = log.read_text()
    assert code == 130, printed
    assert "Traceback" not in printed
    assert printed.endswith("spatempo: error: interrupted\n")
    return printed


def children(pid: int) -> int:
    """Number of child processes."""
    return len(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


proc = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")


@proc
@pytest.mark.slow
@pytest.mark.parametrize("moment", [1, 2, 3])
def test_interrupt_while_processes_start(data, tmp_path, moment):
    """Without special handling, a Python process that is still importing prints a traceback."""
    when = f"children(p.pid) >= {moment}"  # one of them belongs to multiprocessing
    interrupted("data", "scan", data / "train.csv", "--full", "--workers", 3, when=when, cwd=tmp_path)


@pytest.mark.slow
def test_interrupt_training(data, tmp_path):
    words = ("train", data / "train.csv", "--val", data / "val.csv", "--model", "tsm_smallresnet", "--epochs", 5000)
    printed = interrupted(
        *words, "--size", 32, "--workers", 2, "--out", "run", when="'epoch 1/' in text()", cwd=tmp_path
    )
    assert "--resume continues the run in run" in printed
