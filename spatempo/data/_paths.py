"""Where clips lie: which files are videos, which folders are frames, and that no path leaves its root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

from spatempo.errors import SpatempoError

VIDEO_SUFFIXES = tuple(
    f".{kind}"
    for kind in (
        *("3gp", "asf", "avi", "flv", "gif", "h264", "hevc", "ivf", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg"),
        *("mts", "mxf", "ogv", "ts", "vob", "webm", "wmv", "y4m"),
    )
)
IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")


def is_video(path: str | os.PathLike[str]) -> bool:
    """Whether the name says so. What the bytes say is found out by whoever opens it, who then names the file."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def is_image(path: str | os.PathLike[str]) -> bool:
    """Whether the name is that of one frame of a frame folder."""
    return Path(path).suffix.lower() in IMAGE_SUFFIXES


def find_clips(folder: Path) -> Iterator[Path]:
    """Every clip below `folder`, in sorted order: video files, and folders of images (frame folders).

    A folder that holds images and no video is one clip and is not searched further. Hidden names are left out.
    """
    try:
        with os.scandir(folder) as listing:
            entries = sorted((e for e in listing if not e.name.startswith(".")), key=lambda e: e.name)
    except OSError as error:
        raise SpatempoError(f"{folder}: cannot be listed ({error.strerror}); check its permissions") from None
    videos = [e for e in entries if is_video(e.name) and not e.is_dir()]
    if not videos and any(is_image(e.name) for e in entries):
        yield folder
        return
    for entry in entries:
        if entry.is_dir():
            yield from find_clips(folder / entry.name)
        elif is_video(entry.name):
            yield folder / entry.name


def inside(root: Path, path: str, where: str) -> str:
    """The absolute path of `path` below `root` (itself resolved), links followed.

    Args:
        where: what to name in the error: ``"file:line"``, or the folder.

    Raises:
        SpatempoError: `path` is absolute, or leads out of `root` by ``..`` or by a link. A list is data, often somebody
            else's; it does not get to choose which files of this machine are opened.
    """
    if Path(path).is_absolute() or path.startswith("/") or PureWindowsPath(path).drive:
        raise SpatempoError(f"{where}: path {path!r} is absolute; write it relative to {root}")
    if "\0" in path:
        raise SpatempoError(f"{where}: path {path!r} holds a null character; correct the line")
    full = Path(os.path.realpath(root / path))
    if not full.is_relative_to(root):
        raise SpatempoError(f"{where}: path {path!r} leads to {full}, out of {root}; keep the clips below that folder")
    return str(full)
