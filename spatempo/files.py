"""Files that are either there as a whole or not at all. Every file that spatempo writes is written through here."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from spatempo.errors import SpatempoError


class WriteError(SpatempoError):
    """A file that could not be written: disk full, no permission, no such place. What was there before is as it was."""


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Hands out a temporary name beside `path`, which takes its place when the block ends well.

    The folder is made if missing. The temporary name keeps the suffix, by which some libraries know the format.

    Raises:
        WriteError: the file cannot be written; nothing is left behind, and a former file of that name stays as it was.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):  # not there: it took its place, or could not even be begun
            temporary.unlink()


def write_whole(path: str | os.PathLike[str], content: bytes | str) -> Path:
    """Writes a file in one go, text as UTF-8; raises as :func:`whole_file` does. Returns the path."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    return Path(path)


def check_folder(folder: str | os.PathLike[str]) -> None:
    """Whether a folder, or the one it would be made in, takes files: asked before the work, not after it.

    Raises:
        WriteError: it is a file, may not be written to, or has a name that no file system takes.
    """
    folder = Path(folder)
    try:
        there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        longest = os.pathconf(there, "PC_NAME_MAX") if hasattr(os, "pathconf") else 255
        if any(len(os.fsencode(part)) > longest for part in folder.parts):
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        if not there.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{there} is a file")
        if not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"{there} takes no files")
    except OSError as error:
        raise cannot_write(folder, error) from error


def cannot_write(path: str | os.PathLike[str], error: OSError) -> WriteError:
    """The line that names the file, the reason and the fix."""
    fixes = {
        errno.ENOSPC: "free space on the disk, or choose another folder",
        errno.EFBIG: "raise the limit on the size of files, or choose another folder",
        errno.EDQUOT: "free space in your quota, or choose another folder",
        errno.ENAMETOOLONG: "choose a shorter name",
    }
    fix = fixes.get(error.errno or 0, "check the folder and its permissions, or choose another")
    return WriteError(f"{os.fspath(path)}: cannot be written ({error.strerror or error}); {fix}")
