"""Settings of a tiny run, and helpers for several tests of training."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

COLOURS = ("red", "green", "blue")
# 22 clips in batches of 4: 5 batches per epoch, 2 clips dropped
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
    """Context in which no file can be larger than `size` bytes, which simulates a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
