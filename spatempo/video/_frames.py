"""Functions shared by all readers: checks of indices and sizes, scaled size, rotation."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import numpy as np

from spatempo.errors import SpatempoError, VideoError

# Pixels per frame, twice 8K UHD. A damaged header may state any size, and decoders allocate memory for it.
MAX_PIXELS = 1 << 26


def check_size(path: str, height: int, width: int, name: str = "its frames") -> None:
    """Raises VideoError if a frame of this size, in pixels, is too large to read."""
    if height * width > MAX_PIXELS:
        most = MAX_PIXELS // 10**6
        raise VideoError(
            path,
            f"{name}: {width}x{height} pixels, more than {most} million; the file is damaged, or must be scaled down",
        )


def check_indices(path: str, indices: Sequence[int], frames: int) -> np.ndarray:
    """`indices` as int64 [k].

    Raises:
        VideoError: an index outside 0 .. frames - 1.
        SpatempoError: something other than a flat list of whole numbers.
    """
    wanted = np.asarray(indices)
    if wanted.size == 0:
        return np.zeros(0, dtype=np.int64)
    if wanted.ndim != 1 or not np.issubdtype(wanted.dtype, np.integer):
        raise SpatempoError(f"frame indices must be a flat list of whole numbers, not {wanted.dtype} {wanted.shape}")
    bad = wanted[(wanted < 0) | (wanted >= frames)]
    if bad.size:
        raise VideoError(path, f"frame {bad[0]} does not exist; it has {frames} frames: use 0 to {frames - 1}")
    return wanted.astype(np.int64)


def scaled_size(height: int, width: int, short_side: int | None) -> tuple[int, int]:
    """(height, width) with a short side of `short_side`; never larger than the native size.

    The long side is rounded down as in torchvision's `resize`, so a second resize to the same short side changes
    nothing.

    Raises:
        SpatempoError: `short_side` below 1.
    """
    short = min(height, width)
    if short_side is None or short_side >= short:
        return height, width
    if short_side < 1:
        raise SpatempoError(f"short_side={short_side}: give at least 1 pixel")
    long = int(short_side * max(height, width) / short)
    return (short_side, long) if height <= width else (long, short_side)


def rotate(frame: np.ndarray, rotation: int) -> np.ndarray:
    """Rotate a frame [H, W, 3] counter-clockwise by `rotation` degrees, rounded to quarter turns."""
    quarters = round(rotation / 90) % 4
    return np.rot90(frame, quarters) if quarters else frame


class Closing:
    """Base class of sources: closed at the end of a ``with`` block."""

    def close(self) -> None:
        """Close the file."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
