"""Frames as a decoder gives them, uint8 ``[T, H, W, 3]`` (of flow ``[T, H, W, 2]``): checked, scaled, cut."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from spatempo.errors import SpatempoError


def as_frames(frames: torch.Tensor | np.ndarray, channels: int = 3) -> torch.Tensor:
    """Checks ``[T, H, W, channels]`` uint8 and returns it as a tensor (a view where possible)."""
    if isinstance(frames, np.ndarray):
        # torch refuses negative strides, and warns about read-only memory (cached frames are memory-mapped)
        frames = torch.from_numpy(frames if frames.flags.writeable and min(frames.strides) > 0 else frames.copy())
    if frames.dtype != torch.uint8 or frames.ndim != 4 or frames.shape[3] != channels or 0 in frames.shape:
        what = "RGB" if channels == 3 else "flow along x and y"
        raise SpatempoError(
            f"frames are {str(frames.dtype).removeprefix('torch.')} {list(frames.shape)}; "
            f"give uint8 [T, H, W, {channels}] ({what}, at least one frame)"
        )
    return frames


def resize_short(frames: torch.Tensor, short_side: int) -> torch.Tensor:
    """uint8 ``[T, H, W, 3]`` scaled so that the shorter of H and W is `short_side`, the ratio kept (to a pixel)."""
    h, w = frames.shape[1:3]
    if min(h, w) == short_side:
        return frames
    # the longer side as torchvision's Resize(short_side) computes it
    new_h, new_w = (short_side, int(short_side * w / h)) if h <= w else (int(short_side * h / w), short_side)
    return resize_frames(frames, new_h, new_w)


def resize_frames(frames: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """uint8 ``[T, H, W, 3]`` to ``[T, height, width, 3]``, antialiased bilinear (as torchvision's resize)."""
    # Seen as [T, 3, H, W] the memory is channels_last, for which the uint8 kernel has a vectorised path.
    images = frames.permute(0, 3, 1, 2)
    images = F.interpolate(images, [height, width], mode="bilinear", antialias=True)
    return images.permute(0, 2, 3, 1)


def corner(height: int, width: int, size: int, crop: str) -> tuple[int, int]:
    """Top-left pixel ``(top, left)`` of a square: `crop` says where, see :class:`~spatempo.inputs.spec.Preprocess`."""
    places = {"left": lambda free: 0, "center": lambda free: round(free / 2), "right": lambda free: free}
    if crop not in places:
        raise SpatempoError(f"crop {crop!r} is not known; choose from {', '.join(map(repr, sorted(places)))}")
    middle, along = places["center"], places[crop]
    if height > width:
        return along(height - size), middle(width - size)
    return middle(height - size), along(width - size)
