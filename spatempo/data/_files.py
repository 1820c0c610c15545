"""Files that are either there as a whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spatempo.errors import SpatempoError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Hands out a temporary name beside `path`, which takes its place when the block ends well.

    Raises:
        SpatempoError: the file cannot be written (no such folder, no permission, disk full); nothing is left behind,
            and a former file of that name stays as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise SpatempoError(
            f"{path}: cannot be written ({error.strerror or error}); check the folder, its permissions and free space"
        ) from None
    finally:
        temporary.unlink(missing_ok=True)
