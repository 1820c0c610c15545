"""Modalities of clips: RGB frames, differences of RGB frames, optical flow.

:data:`MODALITIES` contains one :class:`Modality` object per modality. The rest of the library uses the attributes of
the object and never compares names. To add a modality, add one entry here and, if its frames are read in another way,
one reader in :mod:`spatempo.video.source`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from spatempo.errors import SpatempoError
from spatempo.video.source import READS

Numbers = tuple[float, ...]
SCALES = (1.0, 0.875, 0.75, 0.66)  # TSN's multi-scale crop, kept by TRN, ECO and TSM


@dataclass(frozen=True)
class Modality:
    """One modality. Each frame of its clips is a stack of `stack` parts, concatenated along the channels.

    Attributes:
        name: name in :attr:`Preprocess.modality <spatempo.inputs.spec.Preprocess.modality>` and in checkpoints.
        reads: kind of frames to read, a key of :data:`spatempo.video.source.READS`.
        frame: description of one frame, for messages.
        channel_names: names of the channels, for messages.
        extra: number of frames read for one frame of the clip in addition to the stack.
        images: whether frames are images. Images can be displayed, and the first kernel of an image network is copied
            to each frame of a stack. In other modalities every channel gets the mean of the kernel over R, G and B.
        colors: whether channels are triples of R, G and B. If so, colours can be jittered, and Caffe kernels (blue,
            green, red) are reversed per triple.
        new_first_conv: whether a first convolution made from image-pretrained weights is trained like a new one, with
            the learning rate ``first_conv_lr``.
        stack_2d, stack_3d: published stack size for 2D networks, and for networks with temporal convolutions.
        scales: published scales of the multi-scale crop in training.
        join: function from the parts of the stack, ``[T, H, W, c]`` each, to the clip ``[T, H, W, stack * c]``.
        mirror: function that mirrors uint8 ``[T, H, W, c]`` horizontally and returns a copy.
        statistics: function from the mean and std of RGB to those of the modality. The modality's own values are
            returned unchanged.
    """

    name: str
    reads: str
    frame: str
    channel_names: str
    join: Callable[[Sequence[np.ndarray]], np.ndarray]
    mirror: Callable[[np.ndarray], np.ndarray]
    statistics: Callable[[Numbers, Numbers], tuple[Numbers, Numbers]]
    extra: int = 0
    images: bool = False
    colors: bool = False
    new_first_conv: bool = False
    stack_2d: int = 5  # TSN: 5 fields of flow, or 5 differences
    stack_3d: int = 1  # R(2+1)D: one field per frame
    scales: Numbers = SCALES[:3]

    @property
    def channels(self) -> int:
        """Number of channels of a frame read from a file."""
        return READS[self.reads]

    def span(self, stack: int) -> int:
        """Number of consecutive frames read for one frame of the clip."""
        return stack + self.extra

    def stacked(self, values: np.ndarray, stack: int) -> np.ndarray:
        """Stacks frames, ``[T * span, H, W, c]`` to ``[T, H, W, stack * c]``.

        Raises:
            SpatempoError: the number of frames is not a multiple of the span.
        """
        span = self.span(stack)
        if len(values) % span:
            raise SpatempoError(
                f"got {len(values)} frames of {self.name!r}; give a multiple of {span}, as each frame of the clip is "
                f"made of {span}"
            )
        return values if span == 1 else self.join([values[k::span] for k in range(span)])


def modality_of(name: str) -> Modality:
    """Returns the modality with this name.

    Raises:
        SpatempoError: unknown name; the message lists the known ones.
    """
    if not isinstance(name, str) or name not in MODALITIES:
        raise SpatempoError(
            f"preprocess: modality {name!r} is not known; choose from {', '.join(map(repr, MODALITIES))}"
        )
    return MODALITIES[name]


def _side_by_side(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Channel order R1 G1 B1 R2 G2 B2 ...; for flow x1 y1 x2 y2 ..."""
    return np.concatenate(parts, -1)


def _differences(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Each frame minus the previous one."""
    return np.concatenate([after - before for before, after in pairwise(parts)], -1)


def _flip(frames: np.ndarray) -> np.ndarray:
    return frames[:, :, ::-1].copy()


def _flip_flow(frames: np.ndarray) -> np.ndarray:
    """Mirrors flow. Its x component changes sign, so it becomes 255 - value."""
    mirrored = _flip(frames)
    mirrored[..., 0] = 255 - mirrored[..., 0]
    return mirrored


def _unchanged(mean: Numbers, std: Numbers) -> tuple[Numbers, Numbers]:
    return mean, std


def _difference_statistics(mean: Numbers, std: Numbers) -> tuple[Numbers, Numbers]:
    """Mean 0 and std 1 (values in 0..1), or std 1/255 for networks with unscaled input (Caffe, 0..255)."""
    return ((0.0,) * 3, (1 / 255 if _unscaled(std) else 1.0,) * 3) if any(mean) else (mean, std)


def _flow_statistics(mean: Numbers, std: Numbers) -> tuple[Numbers, Numbers]:
    """Mean 0.5, the centre of the stored 0..255 (Caffe: 128), and the average of the std of R, G and B."""
    middle = 128 / 255 if _unscaled(std) else 0.5
    return mean if len(mean) == 2 else (middle,) * 2, std if len(std) == 2 else (sum(std) / len(std),) * 2


def _unscaled(std: Numbers) -> bool:
    return max(std) <= 1 / 255


RGB = Modality(
    name="rgb",
    reads="rgb",
    frame="RGB",
    channel_names="R, G, B",
    join=_side_by_side,
    mirror=_flip,
    statistics=_unchanged,
    images=True,
    colors=True,
    stack_2d=1,
    scales=SCALES,
)
RGBDIFF = Modality(
    name="rgbdiff",
    reads="rgb",
    frame="RGB",
    channel_names="R, G, B",
    join=_differences,
    mirror=_flip,
    statistics=_difference_statistics,
    extra=1,
    colors=True,
)
FLOW = Modality(
    name="flow",
    reads="flow",
    frame="flow along x and y",
    channel_names="flow x, y",
    join=_side_by_side,
    mirror=_flip_flow,
    statistics=_flow_statistics,
    new_first_conv=True,
)
MODALITIES = {modality.name: modality for modality in (RGB, FLOW, RGBDIFF)}
