"""What a model wants to be fed, as plain numbers, and the one function that turns frames into its input.

A decoder gives uint8 frames ``[T, H, W, 3]`` (RGB). A model wants a float clip ``[3, T, size, size]``, normalised.
Between the two stand a resize of the short side, a square crop, and one multiply-add per value; nothing else, and
nowhere else: validation, ``test`` and ``predict`` all come through :meth:`Preprocess.__call__`, training through
:meth:`Preprocess.normalize`.

Modality. Besides RGB a model may be fed optical flow (uint8 ``[..., 2]``, x and y) or the differences of RGB frames.
One frame of its clip is then a stack of several consecutive ones, laid side by side as channels (TSN: 5 fields, or 5
differences of 6 frames), so the frames asked of the decoder are ``span`` for each frame of the clip.

Memory. A clip is physically ``[T, H, W, C]`` (the order in which the decoder wrote it) and only *viewed* as
``[C, T, H, W]``. Batched by :func:`collate_clips` it is ``channels_last_3d``, so folding the frames into the batch for
a 2D backbone is a view and no layer has to re-lay the data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from spatempo.errors import SpatempoError
from spatempo.inputs.frames import as_frames, corner, resize_short

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
SAMPLINGS = ("segment", "dense")
MODALITIES = ("rgb", "flow", "rgbdiff")
Numbers = tuple[float, ...]
CROPS = {1: ("center",), 3: ("left", "center", "right")}


@dataclass(frozen=True)
class Preprocess:
    """The input a model was made for. Part of every checkpoint.

    Attributes:
        frames: frames of a clip (T).
        sampling: ``"segment"`` (one frame from each of T equal parts) or ``"dense"`` (T frames of a window).
        size: side of the square crop, pixels.
        resize: short side of the frame before the crop, pixels; ``None`` is ``size * 256 // 224``, as TSN, TSM and GSM
            compute it (256 for a crop of 224, 261 for 229). The same number given is stored as ``None``.
        mean, std: per channel of what is read (R, G, B; of flow x, y), for values scaled to 0..1. When not given, those
            of ImageNet's (see :meth:`with_statistics`).
        modality: ``"rgb"``, ``"flow"`` or ``"rgbdiff"`` (each RGB frame less the one before).
        stack: consecutive flow fields, or differences, that make one frame of the clip; of RGB 1.
        window: frames that a dense clip spans. As many as ``frames`` are consecutive ones, which ``None`` stands for.

    Raises:
        SpatempoError: a value that cannot be used.
    """

    frames: int = 8
    sampling: str = "segment"
    size: int = 224
    resize: int | None = None
    mean: Numbers = ()
    std: Numbers = ()
    modality: str = "rgb"
    stack: int = 1
    window: int | None = 64

    def __post_init__(self) -> None:
        for name in ("frames", "size", "stack"):
            if not _is_count(getattr(self, name)):
                raise SpatempoError(f"preprocess: {name} is {getattr(self, name)!r}; give a whole number of 1 or more")
        if self.window is not None and not _is_count(self.window):
            raise SpatempoError(f"preprocess: window is {self.window!r}; give a whole number of 1 or more, or none")
        if self.resize is not None and (not _is_count(self.resize) or self.resize < self.size):
            raise SpatempoError(
                f"preprocess: resize is {self.resize!r} but the crop is {self.size} pixels; give a whole number of at "
                f"least {self.size}, or none for {self.size * 256 // 224}"
            )
        if self.resize == self.size * 256 // 224:
            object.__setattr__(self, "resize", None)
        if self.sampling not in SAMPLINGS:
            raise SpatempoError(
                f"preprocess: sampling {self.sampling!r} is not known; choose from {_listed(SAMPLINGS)}"
            )
        if self.modality not in MODALITIES:
            raise SpatempoError(
                f"preprocess: modality {self.modality!r} is not known; choose from {_listed(MODALITIES)}"
            )
        if self.modality == "rgb" and self.stack != 1:
            raise SpatempoError(f"preprocess: stack is {self.stack}, but RGB frames are not stacked; give 1")
        usual = _statistics(self.modality, IMAGENET_MEAN, IMAGENET_STD)
        for name, default in zip(("mean", "std"), usual, strict=True):
            given = getattr(self, name)
            object.__setattr__(self, name, default if given == () else _numbers(name, given, self.read_channels))
        if min(self.std) <= 0:
            raise SpatempoError(f"preprocess: std is {self.std}; every value must be above 0")

    @property
    def short_side(self) -> int:
        """Short side of the frame before the crop, pixels."""
        return self.size * 256 // 224 if self.resize is None else self.resize

    @property
    def read_channels(self) -> int:
        """Channels of a frame as it is read: 3; of flow 2."""
        return 2 if self.modality == "flow" else 3

    @property
    def channels(self) -> int:
        """C, channels of a clip: those that are read, for each of the stack."""
        return self.read_channels * self.stack

    @property
    def span(self) -> int:
        """Consecutive frames that are read for one frame of the clip."""
        return self.stack + (self.modality == "rgbdiff")

    def as_modality(self, modality: str, stack: int = 1) -> Preprocess:
        """The same input in another modality than RGB, its mean and std those that :meth:`with_statistics` derives."""
        mean, std = _statistics(modality, self.mean, self.std)
        return replace(self, modality=modality, stack=stack, mean=mean, std=std)

    def with_statistics(self, mean: Sequence[float] | None, std: Sequence[float] | None) -> Preprocess:
        """With the mean and std that weights were trained with; ``None`` leaves the present ones.

        Statistics of RGB are made into those that the published code (TSN, TSM) feeds the modality with. Flow: mean
        0.5, the middle of the stored 0..255, and for std the mean of R, G and B's; networks that take RGB in 0..255
        unscaled (Caffe's) take flow so too, less 128. Differences: as they are, of values in 0..1 (Caffe's: 0..255).
        """
        mean, std = _statistics(self.modality, tuple(mean or self.mean), tuple(std or self.std))
        return replace(self, mean=mean, std=std)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, for a checkpoint's metadata; the short side is always a number."""
        plain = asdict(self)
        return {**plain, "resize": self.short_side, "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocess:
        """Inverse of :meth:`to_dict`; missing keys take their defaults, unknown ones are an error.

        Checkpoints from before ``resize`` was always written keep their short side, ``round(size * 256 / 224)``.
        """
        known = [f.name for f in fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise SpatempoError(
                f"preprocess: {_listed(unknown)} not known here (known: {', '.join(known)}); "
                "a newer spatempo may have written it: upgrade, or remove the key"
            )
        given = cls(**values)
        if values.get("resize") is None:
            return replace(given, resize=round(given.size * 256 / 224))
        return given

    @staticmethod
    def crops(n: int) -> tuple[str, ...]:
        """Names of the crops of a view protocol with `n` crops: 1 (centre) or 3 (left, centre, right)."""
        if n not in CROPS:
            raise SpatempoError(f"crops is {n!r}; choose 1 (centre) or 3 (left, centre, right)")
        return CROPS[n]

    def __call__(self, frames: torch.Tensor | np.ndarray, crop: str = "center") -> torch.Tensor:
        """Frames to clip: short side to :attr:`short_side` (antialiased bilinear), crop, normalise.

        Args:
            frames: uint8 ``[T, H, W, 3]``, RGB, any H and W; in other modalities ``[T * span, H, W, read_channels]``.
            crop: ``"center"``, ``"left"`` or ``"right"``: where along the *longer* side the square lies (left is the
                top and right the bottom of a portrait frame); across the shorter side it is always centred. Left and
                right touch the border as in SlowFast's code, so that together the crops see all that there is to see of
                a frame of up to three squares. TSM's code (``GroupFullResSample``) places crops at multiples of a
                quarter of the free pixels, rounded down: its right crop ends up to 3 pixels before the border, and its
                centre one is up to 2 pixels further left.

        Returns:
            Float32 clip ``[C, T, size, size]``, physically ``[T, size, size, C]``.
        """
        images = resize_short(as_frames(frames, self.read_channels), self.short_side)
        top, left = corner(images.shape[1], images.shape[2], self.size, crop)
        return self.normalize(images[:, top : top + self.size, left : left + self.size])

    def normalize(self, frames: torch.Tensor | np.ndarray) -> torch.Tensor:
        """uint8 ``[T, H, W, 3]`` to float32 ``[3, T, H, W]``, ``(x / 255 - mean) / std``; memory ``[T, H, W, 3]``.

        In other modalities uint8 ``[T * span, H, W, read_channels]`` to ``[C, T, H, W]``, stacked.
        """
        frames = as_frames(frames, self.read_channels)
        t, h, w, c = frames.shape
        # One multiply-add over rows of W*3 values: broadcasting a vector of 3 instead would run loops of length 3.
        scale = torch.tensor([1 / (255 * s) for s in self.std]).to(frames.device).repeat(w)
        offset = torch.tensor([-m / s for m, s in zip(self.mean, self.std, strict=True)]).to(frames.device).repeat(w)
        rows = frames.reshape(t, h, w * c).to(torch.float32, memory_format=torch.contiguous_format)
        values = rows.mul_(scale).add_(offset).view(t, h, w, c)
        return (values if self.span == 1 else self._stacked(values)).permute(3, 0, 1, 2)

    def mirror(self, frames: torch.Tensor) -> torch.Tensor:
        """Mirror images of uint8 ``[T, H, W, read_channels]``; flow along x then points the other way, 255 - value."""
        mirrored = frames.flip(2)  # a copy
        if self.modality == "flow":
            mirrored[..., 0] = 255 - mirrored[..., 0]
        return mirrored

    def _stacked(self, values: torch.Tensor) -> torch.Tensor:
        """``[T * span, H, W, c]`` to ``[T, H, W, stack * c]``: x1 y1 x2 y2 ... of flow, each frame less the last."""
        if len(values) % self.span:
            raise SpatempoError(
                f"{len(values)} frames of {self.modality!r} are given; one of the clip takes {self.span} of them"
            )
        parts = values.unflatten(0, (-1, self.span)).unbind(1)
        if self.modality == "rgbdiff":
            parts = [after - before for before, after in pairwise(parts)]
        return torch.cat(parts, -1)


def collate_clips(clips: Sequence[torch.Tensor]) -> torch.Tensor:
    """Clips ``[C, T, H, W]`` of one size to a batch ``[B, C, T, H, W]`` in ``channels_last_3d`` memory.

    One copy: for clips as :class:`Preprocess` makes them the stack is a plain concatenation of their memory.
    """
    return torch.stack([clip.permute(1, 2, 3, 0) for clip in clips]).permute(0, 4, 1, 2, 3)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _statistics(modality: str, mean: Numbers, std: Numbers) -> tuple[Numbers, Numbers]:
    """Mean and std of a modality out of RGB's; what is the modality's own already comes back as it is."""
    if modality == "rgb":
        return mean, std
    unscaled = max(std) <= 1 / 255
    if modality == "flow":
        middle = 128 / 255 if unscaled else 0.5
        return mean if len(mean) == 2 else (middle,) * 2, std if len(std) == 2 else (sum(std) / len(std),) * 2
    return ((0.0,) * 3, (1 / 255 if unscaled else 1.0,) * 3) if any(mean) else (mean, std)


def _numbers(name: str, values: object, channels: int) -> Numbers:
    if isinstance(values, Sequence) and len(values) == channels and all(isinstance(v, int | float) for v in values):
        return tuple(float(v) for v in values)
    wanted = "three numbers (R, G, B" if channels == 3 else "two numbers (flow along x and y"
    raise SpatempoError(f"preprocess: {name} is {values!r}; give {wanted}, for values from 0 to 1)")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(n) for n in names)
