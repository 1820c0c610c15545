"""Atomic file writes: a file is written completely or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from spatempo.files import WriteError, atomic_file, write_atomic


def test_a_file_and_its_folder_are_created(tmp_path: Path) -> None:
    path = write_atomic(tmp_path / "a" / "b.txt", "schön")
    assert path.read_bytes() == "schön".encode()
    assert [p.name for p in path.parent.iterdir()] == ["b.txt"]


@pytest.mark.parametrize("error", [RuntimeError("camera unplugged"), KeyboardInterrupt()])
def test_an_error_in_the_block_changes_nothing(tmp_path: Path, error: BaseException) -> None:
    path = write_atomic(tmp_path / "clip.mp4", b"old")

    def fail() -> None:
        with atomic_file(path) as temporary:
            assert (temporary.suffix, temporary.parent) == (".mp4", tmp_path)
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("number", "fix"),
    [(errno.ENOSPC, "free space on the disk"), (errno.EACCES, "check the folder and its permissions")],
)
def test_system_errors_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, fix: str) -> None:
    path = write_atomic(tmp_path / "r.html", "old")

    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(WriteError) as caught:
        write_atomic(path, "new")
    assert str(caught.value).startswith(f"{path}: cannot be written ({os.strerror(number)}); {fix}")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
