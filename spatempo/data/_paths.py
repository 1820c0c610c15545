"""Finds clips: which files are videos, which folders are frame folders, and whether a path is inside its root."""

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
_MOST_LINKS = 4  # nested links on the path to a clip; folders that link to each other give endless paths


def is_video(path: str | os.PathLike[str]) -> bool:
    """Whether the file name is that of a video. The content is checked only when the file is opened."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def is_image(path: str | os.PathLike[str]) -> bool:
    """Whether the file name is that of an image, such as a frame of a frame folder."""
    return Path(path).suffix.lower() in IMAGE_SUFFIXES


def listed(folder: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    """Lists the entries of a folder, sorted by name, without hidden ones.

    Raises:
        SpatempoError: the folder cannot be listed.
    """
    try:
        with os.scandir(folder) as listing:
            return sorted((e for e in listing if not e.name.startswith(".")), key=lambda e: e.name)
    except OSError as error:
        raise SpatempoError(f"{folder}: cannot be listed ({error.strerror}); check its permissions") from None


def find_clips(folder: Path) -> Iterator[Path]:
    """Yields every clip below `folder`, in sorted order: video files and folders of images (frame folders).

    A folder with images and no video is one clip and is not searched further. Hidden entries are skipped. Links to
    folders are followed, except links to a folder that contains them, because its clips are found anyway.

    Raises:
        SpatempoError: a folder cannot be listed, or too many links are nested.
    """
    # A stack of (path, whether it is a folder, real folders of the links followed on the way to it).
    pending: list[tuple[Path, bool, tuple[Path, ...]]] = [(folder, True, ())]
    while pending:
        path, is_folder, link_folders = pending.pop()
        if not is_folder:
            yield path
            continue
        entries = listed(path)
        # os.path.isdir instead of entry.is_dir: for a link to itself it returns False instead of raising
        folders = {entry.name for entry in entries if os.path.isdir(entry.path)}
        videos = {entry.name for entry in entries if is_video(entry.name)} - folders
        if not videos and any(is_image(entry.name) for entry in entries):
            yield path
            continue
        for entry in reversed(entries):
            if entry.name in videos:
                pending.append((path / entry.name, False, ()))
            elif entry.name in folders and not entry.is_symlink():
                pending.append((path / entry.name, True, link_folders))
            elif entry.name in folders:
                target, here = Path(os.path.realpath(entry.path)), Path(os.path.realpath(path))
                if any(one.is_relative_to(target) for one in (here, *link_folders)):
                    continue
                if len(link_folders) == _MOST_LINKS:
                    raise SpatempoError(
                        f"{entry.path}: a link inside {_MOST_LINKS} other links; replace it with its target folder"
                    )
                pending.append((path / entry.name, True, (*link_folders, here)))


def inside(root: Path, path: str, where: str) -> str:
    """Returns the absolute path of `path` below `root` (already resolved), with links resolved.

    Args:
        where: location for the error message: ``"file:line"``, or the folder.

    Raises:
        SpatempoError: `path` is absolute, or leaves `root` by ``..`` or a link. A list is data, often from somebody
            else, so it must not be able to open any file of this machine.
    """
    if Path(path).is_absolute() or path.startswith("/") or PureWindowsPath(path).drive:
        raise SpatempoError(f"{where}: path {path!r} is absolute; write it relative to {root}")
    if "\0" in path:
        raise SpatempoError(f"{where}: path {path!r} contains a null character; correct the line")
    full = Path(os.path.realpath(root / path))
    if not full.is_relative_to(root):
        raise SpatempoError(f"{where}: path {path!r} leads to {full}, outside {root}; move the clip into that folder")
    return str(full)
