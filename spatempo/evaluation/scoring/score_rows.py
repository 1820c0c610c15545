"""Scores of many videos or windows in one block of memory."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import numpy as np

from spatempo.evaluation.arrays import to_array

if TYPE_CHECKING:
    from torch import Tensor


class ScoreRows:
    """Growing float32 array of rows.

    A list with one small tensor per batch would fragment memory. The small tensors would be allocated between the large
    temporary tensors of the network, and the free blocks between them would be too small for the next large tensor.
    The process would grow with every batch (by 6 MB per minute of a long video).

    Args:
        width: K, number of values per row.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self._numbers = array("f")

    def __len__(self) -> int:
        return len(self._numbers) // self.width

    def add(self, rows: Tensor | np.ndarray) -> None:
        """Append a copy of float rows ``[n, K]`` from any device."""
        self._numbers.frombytes(to_array(rows).tobytes())

    def numpy(self) -> np.ndarray:
        """All rows, float32 ``[len, K]``, as a copy."""
        return np.frombuffer(self._numbers, np.float32).reshape(-1, self.width).copy()
