"""A tiny run, and what else several tests of training use."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

COLOURS = ("red", "green", "blue")
# 22 clips in batches of 4: 5 a epoch, 2 left over
TINY = {
    "model": "tsm_smallresnet",
    "size": 16,
    "frames": 3,
    "batch_size": 4,
    "epochs": 2,
    "workers": 0,
    "device": "cpu",
    "quiet": True,
}


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes: the way a disk fills, as far as a writer can tell."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
