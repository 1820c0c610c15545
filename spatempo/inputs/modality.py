"""What clips can be made of: RGB frames, differences of RGB frames, optical flow.

One :class:`Modality` object per kind, all in :data:`MODALITIES`. The rest of the library asks the object and never
compares names, so a new modality is one entry here and, where its frames are read in another way, one reader in
:mod:`spatempo.video.source`.
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
    """One kind of clip. A frame of such a clip is a stack of `stack` parts, side by side as channels.

    Attributes:
        name: as :attr:`Preprocess.modality <spatempo.inputs.spec.Preprocess.modality>` and checkpoints have it.
        reads: kind of frames that are read for it, a key of :data:`spatempo.video.source.READS`.
        frame: what such a frame is, for messages.
        channel_names: its channels, for messages.
        extra: frames that are read for one frame of the clip besides those of the stack.
        pictures: whether its frames are pictures. They can be shown, and a kernel for images serves each frame of a
            stack; in other modalities the kernel's mean over R, G and B serves every channel.
        colors: whether its channels are triples of R, G and B: colours can be jittered, and Caffe's kernels (blue,
            green, red) are reversed triple by triple.
        new_first_conv: whether a first convolution from image weights is as good as new, so that it learns at
            ``first_conv_lr``.
        stack_2d, stack_3d: the published stack of 2D networks, and of those that convolve in time.
        scales: published scales of the multi-scale crop in training.
        join: frames of each place of the stack, ``[T, H, W, c]`` each, to the clip ``[T, H, W, stack * c]``.
        mirror: mirror images of uint8 ``[T, H, W, c]``, in memory of their own.
        statistics: mean and std out of RGB's; statistics that are the modality's own already come back unchanged.
    """

    name: str
    reads: str
    frame: str
    channel_names: str
    join: Callable[[Sequence[np.ndarray]], np.ndarray]
    mirror: Callable[[np.ndarray], np.ndarray]
    statistics: Callable[[Numbers, Numbers], tuple[Numbers, Numbers]]
    extra: int = 0
    pictures: bool = False
    colors: bool = False
    new_first_conv: bool = False
    stack_2d: int = 5  # TSN: 5 fields of flow, or 5 differences
    stack_3d: int = 1  # R(2+1)D: one field per frame
    scales: Numbers = SCALES[:3]

    @property
    def channels(self) -> int:
        """Channels of a frame as it is read."""
        return READS[self.reads]

    def span(self, stack: int) -> int:
        """Consecutive frames that are read for one frame of the clip."""
        return stack + self.extra

    def stacked(self, values: np.ndarray, stack: int) -> np.ndarray:
        """``[T * span, H, W, c]`` to ``[T, H, W, stack * c]``.

        Raises:
            SpatempoError: the frames do not fill their stacks.
        """
        span = self.span(stack)
        if len(values) % span:
            raise SpatempoError(
                f"{len(values)} frames of {self.name!r} are given; one of the clip takes {span} of them"
            )
        return values if span == 1 else self.join([values[k::span] for k in range(span)])


def modality_of(name: str) -> Modality:
    """The modality of a name.

    Raises:
        SpatempoError: unknown; lists the names.
    """
    if not isinstance(name, str) or name not in MODALITIES:
        raise SpatempoError(
            f"preprocess: modality {name!r} is not known; choose from {', '.join(map(repr, MODALITIES))}"
        )
    return MODALITIES[name]


def _side_by_side(parts: Sequence[np.ndarray]) -> np.ndarray:
    """R1 G1 B1 R2 G2 B2 ...; of flow x1 y1 x2 y2 ..."""
    return np.concatenate(parts, -1)


def _differences(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Each frame less the one before."""
    return np.concatenate([after - before for before, after in pairwise(parts)], -1)


def _flip(frames: np.ndarray) -> np.ndarray:
    return frames[:, :, ::-1].copy()


def _flip_flow(frames: np.ndarray) -> np.ndarray:
    """Flow along x then points the other way, 255 - value."""
    mirrored = _flip(frames)
    mirrored[..., 0] = 255 - mirrored[..., 0]
    return mirrored


def _own(mean: Numbers, std: Numbers) -> tuple[Numbers, Numbers]:
    return mean, std


def _of_differences(mean: Numbers, std: Numbers) -> tuple[Numbers, Numbers]:
    """Differences as they are, of values in 0..1; of networks that take RGB in 0..255 unscaled (Caffe's) of 0..255."""
    return ((0.0,) * 3, (1 / 255 if _unscaled(std) else 1.0,) * 3) if any(mean) else (mean, std)


def _of_flow(mean: Numbers, std: Numbers) -> tuple[Numbers, Numbers]:
    """Mean 0.5, the middle of the stored 0..255, and the mean of R, G and B's std; Caffe's networks: less 128."""
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
    statistics=_own,
    pictures=True,
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
    statistics=_of_differences,
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
    statistics=_of_flow,
    new_first_conv=True,
)
MODALITIES = {modality.name: modality for modality in (RGB, FLOW, RGBDIFF)}
