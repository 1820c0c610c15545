"""Links, loops, pipes and devices in folders of clips: they are followed, skipped or reported, never endlessly."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from spatempo.data import _tables
from spatempo.data._paths import find_clips
from spatempo.data.manifest import load_manifest
from spatempo.data.scan import scan
from spatempo.errors import SpatempoError

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def link(path: Path, target: str | Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target, target_is_directory=True)


def found(folder: Path) -> list[str]:
    return [clip.relative_to(folder).as_posix() for clip in find_clips(folder)]


def test_links_to_parent_folders_are_not_followed(tmp_path):
    touch(tmp_path, "a/1.mp4", "a/deep/2.mp4", "b/3.mp4", "b/frames/img_00001.jpg")
    link(tmp_path / "a" / "up", "..")
    link(tmp_path / "a" / "deep" / "top", tmp_path)
    link(tmp_path / "a" / "everything", "/")
    link(tmp_path / "b" / "self", "self")
    link(tmp_path / "b" / "nothing", "gone")
    link(tmp_path / "loop", ".")
    clips = ["a/1.mp4", "a/deep/2.mp4", "b/3.mp4", "b/frames"]
    assert sorted(found(tmp_path)) == sorted(clips)
    manifest = load_manifest(tmp_path)
    assert manifest.classes == ("a", "b")
    assert [Path(s.path).relative_to(tmp_path.resolve()).as_posix() for s in manifest.samples] == clips
    assert [r["path"] for r in scan(tmp_path, workers=0).unreadable] == [str(tmp_path / clip) for clip in clips]


def test_links_to_folders_are_followed(tmp_path):
    touch(tmp_path, "elsewhere/deep/1.mp4", "data/own/2.mp4")
    link(tmp_path / "data" / "linked", tmp_path / "elsewhere")
    assert found(tmp_path / "data") == ["linked/deep/1.mp4", "own/2.mp4"]
    link(tmp_path / "entrance", tmp_path / "data")
    assert found(tmp_path / "entrance") == ["linked/deep/1.mp4", "own/2.mp4"]


def test_two_folders_linked_to_each_other_are_searched_once_each_way(tmp_path):
    touch(tmp_path, "a/1.mp4", "b/2.mp4")
    link(tmp_path / "a" / "to b", "../b")
    link(tmp_path / "b" / "to a", "../a")
    assert found(tmp_path) == ["a/1.mp4", "a/to b/2.mp4", "b/2.mp4", "b/to a/1.mp4"]
    with pytest.raises(SpatempoError, match="is already at"):  # with which class?
        load_manifest(tmp_path)


def test_too_many_nested_links_are_an_error(tmp_path):
    """Twelve folders with links to each other have 12! possible paths."""
    for here in range(12):
        for there in range(12):
            link(tmp_path / str(here) / f"to {there}", f"../{there}")
    with pytest.raises(SpatempoError, match=r"a link inside 4 other links; replace it with its target folder"):
        found(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not support paths of this length")
def test_folders_nested_deeper_than_the_recursion_limit(tmp_path):
    here, deepest = os.getcwd(), tmp_path / ("a/" * 1200)
    os.chdir(tmp_path)
    try:
        for _ in range(1200):
            os.mkdir("a")
            os.chdir("a")
        touch(Path("."), "1.mp4")
        assert found(tmp_path) == ["a/" * 1200 + "1.mp4"]
    finally:
        os.chdir(here)
        (deepest / "1.mp4").unlink()
        os.removedirs(deepest)  # shutil.rmtree, which pytest uses, fails at this depth


@needs_pipes
@pytest.mark.parametrize("read", [load_manifest, lambda source: scan(source, workers=0)])
def test_pipes_and_devices_are_errors(tmp_path, read):
    for name in ("list.txt", "table.csv", "clip.mp4"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(SpatempoError, match="neither a file nor a folder"):
            read(tmp_path / name)
    if os.path.exists("/dev/zero"):
        with pytest.raises(SpatempoError, match="neither a file nor a folder"):
            read("/dev/zero")


@needs_pipes
def test_pipes_and_devices_among_the_clips_are_unreadable_clips(tmp_path, write_clip):
    write_clip(tmp_path / "a" / "good.mp4")
    os.mkfifo(tmp_path / "a" / "pipe.mp4")
    os.mkfifo(tmp_path / "a" / "no clip")
    (tmp_path / "a" / "zero.mp4").symlink_to("/dev/zero")
    (tmp_path / "a" / "self.mp4").symlink_to("self.mp4")
    touch(tmp_path, "a/frames/img_00002.jpg")
    os.mkfifo(tmp_path / "a" / "frames" / "img_00001.jpg")
    result = scan(tmp_path, workers=0)
    assert [row["path"] for row in result.rows] == ["a/good.mp4"]
    reasons = {Path(row["path"]).name: row["reason"] for row in result.unreadable}
    assert reasons.keys() == {"pipe.mp4", "zero.mp4", "self.mp4", "frames"}
    assert all("neither a file" in reasons[name] for name in ("pipe.mp4", "zero.mp4"))
    assert "no such file" in reasons["self.mp4"]
    assert "img_00001.jpg is not a file" in reasons["frames"]


def test_tables_above_the_size_limit_are_errors(tmp_path, monkeypatch):
    monkeypatch.setattr(_tables, "MOST_BYTES", 1 << 20)
    for name, text in (("t.csv", "path,label\na.mp4,x\n"), ("t.txt", "a.mp4 3 0\n")):
        (tmp_path / name).write_text(text + "\n" * ((1 << 20) - len(text)))
        assert len(load_manifest(tmp_path / name)) == 1
        (tmp_path / name).write_text(text + "\n" * ((1 << 20) + 1 - len(text)))
        with pytest.raises(SpatempoError, match=rf"{name}: more than 1 MiB, the largest size"):
            load_manifest(tmp_path / name)
    touch(tmp_path, "data/a/1.mp4")
    (tmp_path / "data" / "classes.txt").write_text("a\n" * (1 << 20))
    with pytest.raises(SpatempoError, match=r"classes\.txt: more than 1 MiB"):
        load_manifest(tmp_path / "data")


@pytest.mark.parametrize(
    "line", ["x" * 1_000_000, "a.mp4 3 " + "9" * 1_000_000, "a.mp4 " + "9" * 1_000_000 + " 0", "\0" * 1_000_000]
)
def test_long_lines_are_shortened_in_errors(tmp_path, line):
    (tmp_path / "list.txt").write_text(line)
    with pytest.raises(SpatempoError) as error:
        load_manifest(tmp_path / "list.txt")
    assert str(error.value).startswith(f"{tmp_path / 'list.txt'}:1: ")
    assert len(str(error.value)) < 2000
