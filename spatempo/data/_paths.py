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
_MOST_LINKS = 4  # on the way to a clip; folders full of links to each other have endless ways


def is_video(path: str | os.PathLike[str]) -> bool:
    """Whether the name says so. What the bytes say is found out by whoever opens it, who then names the file."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def is_image(path: str | os.PathLike[str]) -> bool:
    """Whether the name is that of one frame of a frame folder."""
    return Path(path).suffix.lower() in IMAGE_SUFFIXES


def listed(folder: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    """What is in a folder, sorted by name, without hidden names.

    Raises:
        SpatempoError: it cannot be listed.
    """
    try:
        with os.scandir(folder) as listing:
            return sorted((e for e in listing if not e.name.startswith(".")), key=lambda e: e.name)
    except OSError as error:
        raise SpatempoError(f"{folder}: cannot be listed ({error.strerror}); check its permissions") from None


def find_clips(folder: Path) -> Iterator[Path]:
    """Every clip below `folder`, in sorted order: video files, and folders of images (frame folders).

    A folder that holds images and no video is one clip and is not searched further. Hidden names are left out. Links to
    folders are followed, except those that lead back to a folder that contains them: all that is there is found anyway.

    Raises:
        SpatempoError: a folder that cannot be listed; links through links through links.
    """
    # what is still to come, the next one last: a path, whether it is a folder, and the real folders that were left for
    # another by a link on the way to it
    left: list[tuple[Path, bool, tuple[Path, ...]]] = [(folder, True, ())]
    while left:
        path, is_folder, left_by_link = left.pop()
        if not is_folder:
            yield path
            continue
        entries = listed(path)
        # os.path.isdir instead of the entry's own: of a link to itself it says no, and does not raise
        folders = {entry.name for entry in entries if os.path.isdir(entry.path)}
        videos = {entry.name for entry in entries if is_video(entry.name)} - folders
        if not videos and any(is_image(entry.name) for entry in entries):
            yield path
            continue
        for entry in reversed(entries):
            if entry.name in videos:
                left.append((path / entry.name, False, ()))
            elif entry.name in folders and not entry.is_symlink():
                left.append((path / entry.name, True, left_by_link))
            elif entry.name in folders:
                target, here = Path(os.path.realpath(entry.path)), Path(os.path.realpath(path))
                if any(one.is_relative_to(target) for one in (here, *left_by_link)):
                    continue
                if len(left_by_link) == _MOST_LINKS:
                    raise SpatempoError(
                        f"{entry.path}: a link inside {_MOST_LINKS} others; replace it by the folder it leads to"
                    )
                left.append((path / entry.name, True, (*left_by_link, here)))


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
