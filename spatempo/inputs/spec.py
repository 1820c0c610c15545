"""Input specification of a model, and the function that turns decoded frames into model input.

A decoder gives uint8 frames ``[T, H, W, 3]`` (RGB). A model takes a float clip ``[3, T, size, size]``, normalised. The
steps between are a resize of the short side, a square crop, and one multiply-add per value. Validation, ``test`` and
``predict`` all call :meth:`Preprocess.array`; training calls :meth:`Preprocess.normalize`. All arithmetic is in numpy
and Pillow. Only the methods that return tensors load torch.

Modality. Besides RGB, a model may take optical flow (uint8 ``[..., 2]``, x and y) or differences of RGB frames
(:mod:`spatempo.inputs.modality`). One frame of its clip may be a stack of several consecutive frames, concatenated
along the channels (TSN: 5 flow fields, or 5 differences of 6 frames), so ``span`` frames are read per frame of the
clip.

Memory. A clip is stored as ``[T, H, W, C]`` (the decoder's order) and *viewed* as ``[C, T, H, W]``. A batch from
:func:`~spatempo.inputs.tensors.collate_clips` is therefore ``channels_last_3d``. Folding its frames into the batch for
a 2D backbone is a view, and no layer has to change the memory layout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from spatempo.errors import SpatempoError
from spatempo.inputs.frames import as_frames, corner, resize_short
from spatempo.inputs.modality import Modality, Numbers, modality_of

if TYPE_CHECKING:
    import torch

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
SAMPLINGS = ("segment", "dense")
_WORDS = {2: "two", 3: "three"}
CROPS = {1: ("center",), 3: ("left", "center", "right")}


@dataclass(frozen=True)
class Preprocess:
    """Input specification of a model. Every checkpoint contains one.

    Attributes:
        frames: number of frames of a clip (T).
        sampling: ``"segment"`` (one frame from each of T equal parts) or ``"dense"`` (T frames of a window).
        size: side of the square crop, pixels.
        resize: short side of the frame before the crop, pixels; ``None`` is ``size * 256 // 224``, as in TSN, TSM
            and GSM (256 for a crop of 224, 261 for 229). This number itself is also stored as ``None``.
        mean, std: per channel of the frames read (R, G, B; flow: x, y), for values scaled to 0..1. By default those of
            ImageNet (see :meth:`with_statistics`).
        modality: name of a :class:`~spatempo.inputs.modality.Modality`: ``"rgb"``, ``"flow"`` or ``"rgbdiff"`` (each
            RGB frame minus the previous one).
        stack: number of consecutive frames, flow fields or differences in one frame of the clip.
        window: number of frames that a dense clip spans. ``None`` means ``frames``: consecutive frames.

    Raises:
        SpatempoError: an invalid value.
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
        usual = modality_of(self.modality).statistics(IMAGENET_MEAN, IMAGENET_STD)
        for name, default in zip(("mean", "std"), usual, strict=True):
            given = getattr(self, name)
            object.__setattr__(self, name, default if given == () else _numbers(name, given, self.kind))
        if min(self.std) <= 0:
            raise SpatempoError(f"preprocess: std is {self.std}; every value must be above 0")

    @property
    def short_side(self) -> int:
        """Short side of the frame before the crop, pixels."""
        return self.size * 256 // 224 if self.resize is None else self.resize

    @property
    def kind(self) -> Modality:
        """The :class:`~spatempo.inputs.modality.Modality` object."""
        return modality_of(self.modality)

    @property
    def is_image(self) -> bool:
        """Whether each frame of the clip is one image that can be displayed."""
        return self.kind.images and self.stack == 1

    @property
    def read_channels(self) -> int:
        """Number of channels of a frame read from a file: 3, or 2 for flow."""
        return self.kind.channels

    @property
    def channels(self) -> int:
        """C, number of channels of a clip: ``read_channels * stack``."""
        return self.read_channels * self.stack

    @property
    def span(self) -> int:
        """Number of consecutive frames read for one frame of the clip."""
        return self.kind.span(self.stack)

    def as_modality(self, modality: str, stack: int = 1) -> Preprocess:
        """Returns this specification for another modality, with mean and std as in :meth:`with_statistics`."""
        mean, std = modality_of(modality).statistics(self.mean, self.std)
        return replace(self, modality=modality, stack=stack, mean=mean, std=std)

    def with_statistics(self, mean: Sequence[float] | None, std: Sequence[float] | None) -> Preprocess:
        """Returns this specification with the mean and std of the pretrained weights; ``None`` keeps the current ones.

        RGB statistics are converted to those that the published code (TSN, TSM) uses for the modality, see
        :mod:`spatempo.inputs.modality`.
        """
        mean, std = self.kind.statistics(tuple(mean or self.mean), tuple(std or self.std))
        return replace(self, mean=mean, std=std)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON types for the metadata of a checkpoint; the short side is always a number."""
        plain = asdict(self)
        return {**plain, "resize": self.short_side, "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocess:
        """Inverse of :meth:`to_dict`. Missing keys get their defaults; unknown keys raise an error.

        Old checkpoints without ``resize`` keep their short side, ``round(size * 256 / 224)``.
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
        """Names of the crops for a protocol with `n` crops: 1 (centre) or 3 (left, centre, right)."""
        if n not in CROPS:
            raise SpatempoError(f"crops is {n!r}; choose 1 (centre) or 3 (left, centre, right)")
        return CROPS[n]

    def __call__(self, frames: torch.Tensor | np.ndarray, crop: str = "center") -> torch.Tensor:
        """Same as :meth:`array`, but returns a torch tensor on the device of the frames."""
        from spatempo.inputs.tensors import as_tensor

        return as_tensor(self.array(frames, crop), like=frames)

    def array(self, frames: torch.Tensor | np.ndarray, crop: str = "center") -> np.ndarray:
        """Converts frames to a clip: resizes the short side (antialiased bilinear), crops and normalises.

        Args:
            frames: uint8 ``[T, H, W, 3]``, RGB, any H and W; in general ``[T * span, H, W, read_channels]``.
            crop: ``"center"``, ``"left"`` or ``"right"``: position of the square along the *longer* side (in a portrait
                frame, left is the top and right the bottom). Across the shorter side it is always centred. Left and
                right touch the border as in SlowFast's code, so the three crops together cover the longer side of a
                frame of up to three squares. TSM's code (``GroupFullResSample``) places crops at multiples of a quarter
                of the free pixels, rounded down. Its right crop ends up to 3 pixels before the border, and its centre
                crop is up to 2 pixels further left.

        Returns:
            Float32 clip ``[C, T, size, size]``, stored as ``[T, size, size, C]``.
        """
        return self.normalize_array(self.square(frames, crop))

    def square(self, frames: torch.Tensor | np.ndarray, crop: str = "center") -> np.ndarray:
        """Resizes and crops without normalising: uint8 ``[T * span, size, size, read_channels]``."""
        return self._cut(resize_short(as_frames(frames, self.kind), self.short_side), crop)

    def normalize(self, frames: torch.Tensor | np.ndarray) -> torch.Tensor:
        """Same as :meth:`normalize_array`, but returns a torch tensor on the device of the frames."""
        from spatempo.inputs.tensors import as_tensor

        return as_tensor(self.normalize_array(frames), like=frames)

    def normalize_array(self, frames: torch.Tensor | np.ndarray) -> np.ndarray:
        """Normalises uint8 ``[T, H, W, 3]`` to float32 ``[3, T, H, W]``, ``(x / 255 - mean) / std``.

        In general uint8 ``[T * span, H, W, read_channels]`` becomes ``[C, T, H, W]``, stored as ``[T, H, W, C]``.
        """
        frames = as_frames(frames, self.kind)
        t, h, w, c = frames.shape
        # One multiply-add over rows of W*3 values; broadcasting a vector of 3 would run loops of length 3.
        # One frame at a time, so that it stays in the processor's cache during the three passes.
        scale = np.tile(np.array([1 / (255 * s) for s in self.std], np.float32), w)
        offset = np.tile(np.array([-m / s for m, s in zip(self.mean, self.std, strict=True)], np.float32), w)
        values = np.empty((t, h, w * c), np.float32)
        for frame, rows in zip(frames, values, strict=True):
            rows.reshape(h, w, c)[...] = frame
            rows *= scale
            rows += offset
        return self.kind.stacked(values.reshape(t, h, w, c), self.stack).transpose(3, 0, 1, 2)

    def mirror(self, frames: torch.Tensor | np.ndarray) -> np.ndarray:
        """Mirrors uint8 ``[T, H, W, read_channels]`` horizontally; flow along x becomes 255 - value."""
        return self.kind.mirror(as_frames(frames, self.kind))

    def _cut(self, images: np.ndarray, crop: str) -> np.ndarray:
        """Crops resized frames to a square."""
        top, left = corner(images.shape[1], images.shape[2], self.size, crop)
        return images[:, top : top + self.size, left : left + self.size]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _numbers(name: str, values: object, modality: Modality) -> Numbers:
    count = modality.channels
    if isinstance(values, Sequence) and len(values) == count and all(isinstance(v, int | float) for v in values):
        return tuple(float(v) for v in values)
    wanted = f"{_WORDS.get(count, count)} numbers ({modality.channel_names})"
    raise SpatempoError(f"preprocess: {name} is {values!r}; give {wanted}, for values from 0 to 1")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(n) for n in names)
