"""Atomic file writes: a file is written completely or not at all. spatempo writes all its files with this module."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from spatempo.errors import SpatempoError


class WriteError(SpatempoError):
    """A file cannot be written (disk full, no permission, invalid path). A previous file of this name is unchanged."""


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path next to `path`; the temporary file replaces `path` if the block ends without an error.

    The folder is created if missing. The temporary path has the same suffix, because some libraries derive the format
    from it.

    Raises:
        WriteError: the file cannot be written. No temporary file remains, and a previous file at `path` is unchanged.
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
        with suppress(OSError):  # it does not exist if it was renamed or never created
            temporary.unlink()


def write_atomic(path: str | os.PathLike[str], content: bytes | str) -> Path:
    """Writes a file atomically, text as UTF-8, and returns its path. Raises the errors of :func:`atomic_file`."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    return Path(path)


def check_folder(folder: str | os.PathLike[str]) -> None:
    """Checks that files can be written to a folder, or that it can be created; called before long computations.

    Raises:
        WriteError: it is a file, is not writable, or has a name that is too long.
    """
    folder = Path(folder)
    try:
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        longest = os.pathconf(existing, "PC_NAME_MAX") if hasattr(os, "pathconf") else 255
        if any(len(os.fsencode(part)) > longest for part in folder.parts):
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        if not existing.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{existing} is a file")
        if not os.access(existing, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"{existing} is not writable")
    except OSError as error:
        raise cannot_write(folder, error) from error


def cannot_write(path: str | os.PathLike[str], error: OSError) -> WriteError:
    """Error whose message contains the file, the reason and a fix."""
    fixes = {
        errno.ENOSPC: "free space on the disk, or choose another folder",
        errno.EFBIG: "raise the limit on the file size, or choose another folder",
        errno.EDQUOT: "free space in your quota, or choose another folder",
        errno.ENAMETOOLONG: "choose a shorter name",
    }
    fix = fixes.get(error.errno or 0, "check the folder and its permissions, or choose another")
    return WriteError(f"{os.fspath(path)}: cannot be written ({error.strerror or error}); {fix}")
