"""Finished arrays as torch tensors: the one part of this package that needs torch, loaded when first used."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch


def as_tensor(array: np.ndarray, like: object = None) -> torch.Tensor:
    """A tensor on the array's memory where that is possible, in the array's order.

    Args:
        like: a tensor on whose device the result is to be; anything else has none.
    """
    # torch refuses negative strides, and warns about read-only memory (cached frames are memory-mapped)
    plain = array.flags.writeable and min(array.strides, default=0) >= 0
    tensor = torch.from_numpy(array if plain else array.copy())
    return tensor.to(like.device) if isinstance(like, torch.Tensor) else tensor


def collate_clips(clips: Sequence[torch.Tensor]) -> torch.Tensor:
    """Clips ``[C, T, H, W]`` of one size to a batch ``[B, C, T, H, W]`` in ``channels_last_3d`` memory.

    One copy: for clips as :class:`~spatempo.inputs.spec.Preprocess` makes them the stack is a plain concatenation of
    their memory.
    """
    return torch.stack([clip.permute(1, 2, 3, 0) for clip in clips]).permute(0, 4, 1, 2, 3)
