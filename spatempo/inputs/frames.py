"""Checks, scales and crops decoded frames, uint8 ``[T, H, W, 3]`` (optical flow: ``[T, H, W, 2]``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from spatempo.errors import SpatempoError
from spatempo.inputs.modality import RGB, Modality

if TYPE_CHECKING:
    import torch


def as_frames(frames: torch.Tensor | np.ndarray, modality: Modality = RGB) -> np.ndarray:
    """Checks that frames are uint8 ``[T, H, W, c]``, c of the modality, and returns an array (a view if possible)."""
    kind, shape, channels = str(frames.dtype).removeprefix("torch."), tuple(frames.shape), modality.channels
    if kind != "uint8" or len(shape) != 4 or shape[3] != channels or 0 in shape:
        raise SpatempoError(
            f"frames are {kind} {list(shape)}; give uint8 [T, H, W, {channels}] ({modality.frame}, at least one frame)"
        )
    return frames if isinstance(frames, np.ndarray) else frames.cpu().numpy()


def short_side_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """``(height, width)`` scaled to a shorter side of `short_side`, with the same aspect ratio (to a pixel)."""
    # the longer side is computed as in torchvision's Resize(short_side)
    if height <= width:
        return short_side, int(short_side * width / height)
    return int(short_side * height / width), short_side


def resize_short(frames: np.ndarray, short_side: int) -> np.ndarray:
    """Scales uint8 ``[T, H, W, c]`` so that the shorter of H and W is `short_side`."""
    height, width = frames.shape[1:3]
    if min(height, width) == short_side:
        return frames
    return resize_frames(frames, *short_side_size(height, width, short_side))


def resize_frames(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resizes uint8 ``[T, H, W, c]`` to ``[T, height, width, c]``, antialiased bilinear.

    Everything that runs a trained model uses this function. It is Pillow's filter, as in the published training code,
    and needs no torch. Training resizes every crop, so it uses the faster kernel of torch
    (:func:`spatempo.data.transforms.resize_crops`). The two differ by at most 1 of 255 levels.
    """
    out = np.empty((len(frames), height, width, frames.shape[3]), np.uint8)
    for image, scaled in zip(frames, out, strict=True):
        if image.shape[2] == 3:
            scaled[...] = _resized(image, height, width)
        else:  # not colours: resize each channel as a greyscale image
            for c in range(image.shape[2]):
                scaled[..., c] = _resized(image[..., c], height, width)
    return out


def corner(height: int, width: int, size: int, crop: str) -> tuple[int, int]:
    """Top-left pixel ``(top, left)`` of a square crop; `crop` as in :meth:`spatempo.inputs.spec.Preprocess.array`."""
    offsets = {"left": lambda free: 0, "center": lambda free: round(free / 2), "right": lambda free: free}
    if crop not in offsets:
        raise SpatempoError(f"crop {crop!r} is not known; choose from {', '.join(map(repr, sorted(offsets)))}")
    middle, along = offsets["center"], offsets[crop]
    if height > width:
        return along(height - size), middle(width - size)
    return middle(height - size), along(width - size)


def _resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
