"""What a model wants to be fed, as plain numbers, and the one function that turns frames into its input.

A decoder gives uint8 frames ``[T, H, W, 3]`` (RGB). A model wants a float clip ``[3, T, size, size]``, normalised.
Between the two stand a resize of the short side, a square crop, and one multiply-add per value; nothing else, and
nowhere else: validation, ``test`` and ``predict`` all come through :meth:`Preprocess.__call__`, training through
:meth:`Preprocess.normalize`.

Memory. A clip is physically ``[T, H, W, 3]`` (the order in which the decoder wrote it) and only *viewed* as
``[3, T, H, W]``. Batched by :func:`collate_clips` it is ``channels_last_3d``, so folding the frames into the batch for
a 2D backbone is a view and no layer has to re-lay the data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch
from torchvision.transforms.v2 import functional as F

from spatempo.errors import SpatempoError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
SAMPLINGS = ("segment", "dense")
MODALITIES = ("rgb",)
CROPS = {1: ("center",), 3: ("left", "center", "right")}


@dataclass(frozen=True)
class Preprocess:
    """The input a model was made for. Part of every checkpoint.

    Attributes:
        frames: frames of a clip (T).
        sampling: ``"segment"`` (one frame from each of T equal parts) or ``"dense"`` (T frames of a 64-frame window).
        size: side of the square crop, pixels.
        resize: short side of the frame before the crop, pixels; ``None`` stands for ``round(size * 256 / 224)``, the
            field's proportion (TSM: 256 for a crop of 224).
        mean, std: per channel (R, G, B), for values scaled to 0..1. ImageNet's when not given.
        modality: ``"rgb"``.

    Raises:
        SpatempoError: a value that cannot be used.
    """

    frames: int = 8
    sampling: str = "segment"
    size: int = 224
    resize: int | None = None
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    modality: str = "rgb"

    def __post_init__(self) -> None:
        for name in ("frames", "size"):
            if not _is_count(getattr(self, name)):
                raise SpatempoError(f"preprocess: {name} is {getattr(self, name)!r}; give a whole number of 1 or more")
        if self.resize is not None and (not _is_count(self.resize) or self.resize < self.size):
            raise SpatempoError(
                f"preprocess: resize is {self.resize!r} but the crop is {self.size} pixels; give a whole number of at "
                f"least {self.size}, or none for {round(self.size * 256 / 224)}"
            )
        if self.sampling not in SAMPLINGS:
            raise SpatempoError(
                f"preprocess: sampling {self.sampling!r} is not known; choose from {_listed(SAMPLINGS)}"
            )
        if self.modality not in MODALITIES:
            raise SpatempoError(
                f"preprocess: modality {self.modality!r} is not known; choose from {_listed(MODALITIES)}"
            )
        for name in ("mean", "std"):
            object.__setattr__(self, name, _three(name, getattr(self, name)))
        if min(self.std) <= 0:
            raise SpatempoError(f"preprocess: std is {self.std}; every value must be above 0")

    @property
    def short_side(self) -> int:
        """Short side of the frame before the crop, pixels."""
        return round(self.size * 256 / 224) if self.resize is None else self.resize

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, for a checkpoint's metadata."""
        plain = asdict(self)
        return {**plain, "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocess:
        """Inverse of :meth:`to_dict`; missing keys take their defaults, unknown ones are an error."""
        known = [f.name for f in fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise SpatempoError(
                f"preprocess: {_listed(unknown)} not known here (known: {', '.join(known)}); "
                "a newer spatempo may have written it: upgrade, or remove the key"
            )
        return cls(**values)

    @staticmethod
    def crops(n: int) -> tuple[str, ...]:
        """Names of the crops of a view protocol with `n` crops: 1 (centre) or 3 (left, centre, right)."""
        if n not in CROPS:
            raise SpatempoError(f"crops is {n!r}; choose 1 (centre) or 3 (left, centre, right)")
        return CROPS[n]

    def __call__(self, frames: torch.Tensor | np.ndarray, crop: str = "center") -> torch.Tensor:
        """Frames to clip: short side to :attr:`short_side` (antialiased bilinear), crop, normalise.

        Args:
            frames: uint8 ``[T, H, W, 3]``, RGB, any H and W.
            crop: ``"center"``, ``"left"`` or ``"right"``: where along the *longer* side the square lies (left is the
                top and right the bottom of a portrait frame); across the shorter side it is always centred. Left and
                right touch the border, as the field's three "full resolution" test crops do.

        Returns:
            Float32 clip ``[3, T, size, size]``, physically ``[T, size, size, 3]``.
        """
        images = resize_short(as_frames(frames), self.short_side)
        top, left = _corner(images.shape[1], images.shape[2], self.size, crop)
        return self.normalize(images[:, top : top + self.size, left : left + self.size])

    def normalize(self, frames: torch.Tensor | np.ndarray) -> torch.Tensor:
        """uint8 ``[T, H, W, 3]`` to float32 ``[3, T, H, W]``, ``(x / 255 - mean) / std``; memory ``[T, H, W, 3]``."""
        frames = as_frames(frames)
        t, h, w, c = frames.shape
        # One multiply-add over rows of W*3 values: broadcasting a vector of 3 instead would run loops of length 3.
        scale = torch.tensor([1 / (255 * s) for s in self.std]).to(frames.device).repeat(w)
        offset = torch.tensor([-m / s for m, s in zip(self.mean, self.std, strict=True)]).to(frames.device).repeat(w)
        rows = frames.reshape(t, h, w * c).to(torch.float32, memory_format=torch.contiguous_format)
        return rows.mul_(scale).add_(offset).view(t, h, w, c).permute(3, 0, 1, 2)


def collate_clips(clips: Sequence[torch.Tensor]) -> torch.Tensor:
    """Clips ``[3, T, H, W]`` of one size to a batch ``[B, 3, T, H, W]`` in ``channels_last_3d`` memory.

    One copy: for clips as :class:`Preprocess` makes them the stack is a plain concatenation of their memory.
    """
    return torch.stack([clip.permute(1, 2, 3, 0) for clip in clips]).permute(0, 4, 1, 2, 3)


def as_frames(frames: torch.Tensor | np.ndarray) -> torch.Tensor:
    """Checks ``[T, H, W, 3]`` uint8 and returns it as a tensor (a view where possible)."""
    if isinstance(frames, np.ndarray):
        # torch refuses negative strides, and warns about read-only memory (cached frames are memory-mapped)
        frames = torch.from_numpy(frames if frames.flags.writeable and min(frames.strides) > 0 else frames.copy())
    if frames.dtype != torch.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape:
        raise SpatempoError(
            f"frames are {str(frames.dtype).removeprefix('torch.')} {list(frames.shape)}; "
            "give uint8 [T, H, W, 3] (RGB, at least one frame)"
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
    """uint8 ``[T, H, W, 3]`` to ``[T, height, width, 3]``, antialiased bilinear."""
    # Seen as [T, 3, H, W] the memory is channels_last, for which the uint8 kernel has a vectorised path.
    images = frames.permute(0, 3, 1, 2)
    images = F.resize_image(images, [height, width], interpolation=F.InterpolationMode.BILINEAR, antialias=True)
    return images.permute(0, 2, 3, 1)


def _corner(height: int, width: int, size: int, crop: str) -> tuple[int, int]:
    """Top-left pixel ``(top, left)`` of the `size` x `size` crop."""
    places = {"left": lambda free: 0, "center": lambda free: round(free / 2), "right": lambda free: free}
    if crop not in places:
        raise SpatempoError(f"crop {crop!r} is not known; choose from {_listed(sorted(places))}")
    middle, along = places["center"], places[crop]
    if height > width:
        return along(height - size), middle(width - size)
    return middle(height - size), along(width - size)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _three(name: str, values: object) -> tuple[float, float, float]:
    if isinstance(values, Sequence) and len(values) == 3 and all(isinstance(v, int | float) for v in values):
        r, g, b = (float(v) for v in values)
        return r, g, b
    raise SpatempoError(f"preprocess: {name} is {values!r}; give three numbers (R, G, B, for values from 0 to 1)")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(n) for n in names)
