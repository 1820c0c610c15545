"""The scores of many videos or windows, kept in one piece of memory."""

from __future__ import annotations

from array import array

import numpy as np
from torch import Tensor


class ScoreRows:
    """Rows of float32 that grow at their end.

    Kept as they come, one small tensor a batch, they would lie scattered among the large tensors of a network, which
    come and go: the holes between them are then too small for the next large one, and the process grows with every
    batch (by 6 MB for every minute of a long video).

    Args:
        width: K, numbers in a row.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self._numbers = array("f")

    def __len__(self) -> int:
        return len(self._numbers) // self.width

    def add(self, rows: Tensor) -> None:
        """Copies ``[n, K]``, float, on any device."""
        self._numbers.frombytes(rows.detach().float().cpu().numpy().tobytes())

    def numpy(self) -> np.ndarray:
        """Float32 ``[len, K]``, a copy."""
        return np.frombuffer(self._numbers, np.float32).reshape(-1, self.width).copy()
