"""Conversion of arrays to torch tensors. The only part of this package that needs torch; loaded on first use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch


def as_tensor(array: np.ndarray, like: object = None) -> torch.Tensor:
    """Returns a tensor that shares the memory of the array if possible, with the same memory layout.

    Args:
        array: any array.
        like: tensor that gives the device of the result. Any other object means the CPU.
    """
    # torch refuses negative strides, and warns about read-only memory (cached frames are memory-mapped)
    plain = array.flags.writeable and min(array.strides, default=0) >= 0
    tensor = torch.from_numpy(array if plain else array.copy())
    return tensor.to(like.device) if isinstance(like, torch.Tensor) else tensor


def collate_clips(clips: Sequence[torch.Tensor]) -> torch.Tensor:
    """Stacks clips ``[C, T, H, W]`` of one size to a batch ``[B, C, T, H, W]`` in ``channels_last_3d`` memory.

    For clips made by :class:`~spatempo.inputs.spec.Preprocess` this is one plain copy of their memory.
    """
    return torch.stack([clip.permute(1, 2, 3, 0) for clip in clips]).permute(0, 4, 1, 2, 3)
