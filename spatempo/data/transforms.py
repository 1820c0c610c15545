"""Training augmentation: one random draw per clip, the same for all its frames.

Frames are uint8 in the decoder's layout ``[T, H, W, 3]`` until the last step. The crop is a view, one antialiased
resize makes it square, the flip copies only this small square, and normalising is a single multiply-add.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F

from spatempo.data.flip import direction_flip_map as direction_flip_map
from spatempo.errors import SpatempoError
from spatempo.inputs.frames import as_frames, short_side_size
from spatempo.inputs.modality import SCALES
from spatempo.inputs.spec import Preprocess
from spatempo.inputs.tensors import as_tensor

MODES = ("multiscale", "shift", "none")


class TrainTransform:
    """Augments the frames of one clip and converts them to the input of a model.

    Args:
        preprocess: defines the crop size, mean and std.
        scale: how the square is cropped.
            ``"multiscale"``: the usual multi-scale crop (:func:`multiscale_sizes`, :func:`crop_offsets`): one of a
            few sizes and slightly distorted shapes, at one of 13 positions, resized to the square.
            ``"shift"``: short side to ``preprocess.short_side``, then a square at a random position, without scaling.
            ``"none"``: as in evaluation (centre).
        flip: whether half of the clips are mirrored. ``None``: no. ``"plain"``: yes, labels do not change. A map
            ``{label: label of the mirrored clip}`` (:func:`spatempo.data.flip.direction_flip_map`): yes, labels change
            according to the map; labels that are not in it do not change. The x component of mirrored flow is negated.
        color: strength c of colour jitter; brightness, contrast and saturation are each multiplied by a factor from
            ``[1 - c, 1 + c]``. 0: none.
        scales: for ``"multiscale"``, fractions of the short side. ``None``: the published ones of the modality.
    """

    def __init__(
        self,
        preprocess: Preprocess,
        *,
        scale: str = "multiscale",
        flip: str | Mapping[int, int] | None = None,
        color: float = 0.0,
        scales: Sequence[float] | None = None,
    ) -> None:
        if scales is None:
            scales = preprocess.kind.scales
        if scale not in MODES:
            raise SpatempoError(f"augmentation: scale is {scale!r}; choose from {', '.join(MODES)}")
        if isinstance(flip, str) and flip != "plain":
            raise SpatempoError(f"augmentation: flip is {flip!r}; give 'plain', a map of labels, or None")
        if not 0 <= color < 1:
            raise SpatempoError(f"augmentation: color is {color}; give a strength of at least 0 (none) and below 1")
        if color and not preprocess.kind.colors:
            raise SpatempoError(f"augmentation: color is {color}, but {preprocess.modality} has no colours; give 0")
        if not scales or not all(0 < s <= 1 for s in scales):
            raise SpatempoError(
                f"augmentation: scales are {tuple(scales)}; give fractions of the short side, above 0 and at most 1"
            )
        self.preprocess = preprocess
        self.scale = scale
        self.flip = flip if flip is None or isinstance(flip, str) else dict(flip)
        self.color = color
        self.scales = tuple(scales)

    @property
    def short_side(self) -> int:
        """Short side at which frames should be read, pixels; every crop would scale down larger ones."""
        if self.scale == "multiscale":
            return max(self.preprocess.short_side, math.ceil(self.preprocess.size / min(self.scales)))
        return self.preprocess.short_side

    def __call__(
        self, frames: torch.Tensor | np.ndarray, label: int, rng: np.random.Generator
    ) -> tuple[torch.Tensor, int]:
        """Augments one clip.

        Args:
            frames: uint8 ``[T, H, W, 3]``, or the frames that the modality reads.
            rng: the only source of randomness.

        Returns:
            Float clip ``[C, T, size, size]`` in the memory order of :meth:`Preprocess.normalize`, and its label.
        """
        images = self._crop(as_frames(frames, self.preprocess.kind), rng)
        if self.flip is not None and rng.random() < 0.5:
            images = as_tensor(self.preprocess.mirror(images))
            label = label if isinstance(self.flip, str) else self.flip.get(label, label)
        if self.color:
            images = jitter_color(images, *(1 + self.color * rng.uniform(-1, 1, size=3)))
        return self.preprocess.normalize(images), label

    def _crop(self, read: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
        """Returns the crop, uint8 ``[T, size, size, 3]``."""
        if self.scale == "none":
            return as_tensor(self.preprocess.square(read))
        frames, size = as_tensor(read), self.preprocess.size
        if self.scale == "multiscale":
            height, width = frames.shape[1:3]
            sizes = multiscale_sizes(height, width, size, self.scales)
            crop_w, crop_h = sizes[rng.integers(len(sizes))]
            offsets = crop_offsets(height, width, crop_h, crop_w)
            left, top = offsets[rng.integers(len(offsets))]
            crop = frames[:, top : top + crop_h, left : left + crop_w]
            return crop if (crop_h, crop_w) == (size, size) else resize_crops(crop, size, size)
        height, width = frames.shape[1:3]
        if min(height, width) != self.preprocess.short_side:
            frames = resize_crops(frames, *short_side_size(height, width, self.preprocess.short_side))
        free_h, free_w = frames.shape[1] - size, frames.shape[2] - size
        top, left = int(rng.integers(free_h + 1)), int(rng.integers(free_w + 1))
        return frames[:, top : top + size, left : left + size]


def resize_crops(frames: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Resizes uint8 ``[T, H, W, c]`` to ``[T, height, width, c]``, antialiased bilinear as in torchvision.

    Training resizes every crop of every clip, and this kernel is several times faster than Pillow. Evaluation uses
    Pillow (:func:`spatempo.inputs.frames.resize_frames`), which does not need torch. The two differ by at most one of
    255 levels.
    """
    # Viewed as [T, c, H, W], the memory is channels_last, for which the uint8 kernel has a vectorised path.
    images = frames.permute(0, 3, 1, 2)
    images = F.interpolate(images, [height, width], mode="bilinear", antialias=True)
    return images.permute(0, 2, 3, 1)


def multiscale_sizes(
    height: int, width: int, size: int, scales: Sequence[float] = SCALES, max_distort: int = 1
) -> list[tuple[int, int]]:
    """Returns ``(w, h)`` of all possible multi-scale crops, in the order of the published code.

    Each scale gives ``int(short side * scale)`` pixels, or `size` if the difference is at most 2 (so that this crop
    needs no resize). Width and height may be up to `max_distort` steps of the list apart. Source: GroupMultiScaleCrop
    of tsn-pytorch and temporal-shift-module (``transforms.py``). If a frame is 1 or 2 pixels smaller than `size`, their
    crop extends beyond it and is filled with black; here the crop is never larger than the frame.
    """
    base = min(height, width)
    sides = [int(base * scale) for scale in scales]
    sides = [min(size if abs(side - size) < 3 else side, base) for side in sides]
    sides = [max(side, 1) for side in sides]
    return [(w, h) for i, h in enumerate(sides) for j, w in enumerate(sides) if abs(i - j) <= max_distort]


def crop_offsets(height: int, width: int, crop_h: int, crop_w: int) -> list[tuple[int, int]]:
    """Returns ``(left, top)`` of the 13 positions of the multi-scale crop, in the order of the published code.

    In steps of a quarter of the free space, ``(W - w) // 4`` and ``(H - h) // 4``: corners, centre, middles of the
    edges, and half-way from the centre to the corners. Source: ``fill_fix_offset`` with ``more_fix_crop``, as above.
    """
    x, y = (width - crop_w) // 4, (height - crop_h) // 4
    steps = [(0, 0), (4, 0), (0, 4), (4, 4), (2, 2), (0, 2), (4, 2), (2, 4), (2, 0), (1, 1), (3, 1), (1, 3), (3, 3)]
    return [(i * x, j * y) for i, j in steps]


def jitter_color(frames: torch.Tensor, brightness: float, contrast: float, saturation: float) -> torch.Tensor:
    """Changes the colours of a whole clip, uint8 ``[T, H, W, 3]`` to the same shape.

    As torchvision's adjust_brightness, then adjust_contrast, then adjust_saturation, but contrast uses the mean of the
    *clip*. With the mean of each frame, it would not scale changes of light within the clip. All three are affine in
    R, G, B, so they are combined into one 3x3 matrix and one offset, and rounded once.
    """
    gray = torch.tensor([0.2989, 0.587, 0.114])  # ITU-R BT.601 luma weights, as in torchvision's rgb_to_grayscale
    values = frames.to(torch.float32)
    mean = float((values.mean((0, 1, 2)) * gray).sum()) * brightness
    saturate = saturation * torch.eye(3) + (1 - saturation) * gray.repeat(3, 1)  # rows sum to 1: keeps grey
    matrix = brightness * contrast * saturate
    offset = (1 - contrast) * mean
    return (values @ matrix.T).add_(offset).round_().clamp_(0, 255).to(torch.uint8)
