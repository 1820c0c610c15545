"""From a recording to the views on which a model is evaluated.

Validation during training, ``test`` and ``predict`` all call :func:`load_views`, so their numbers agree. Frames are
read at the short side of the input specification and scaled while decoding (a 1080p video never becomes 1080p RGB in
memory). A smaller video is read at its own size, and :class:`Preprocess` enlarges it. Frames that are already in memory
(:class:`ArrayFrames`) are scaled by Preprocess instead. Compared with the same video read from its file, they differ by
1 to 2 of 255 levels on average, and more at sharp edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from spatempo.errors import SpatempoError
from spatempo.inputs.frames import as_frames
from spatempo.inputs.modality import modality_of
from spatempo.inputs.sampling import clip_indices
from spatempo.inputs.spec import Preprocess

if TYPE_CHECKING:
    import torch


class FrameReader(Protocol):
    """Interface of a recording for making clips: any `VideoSource`, cached frames, or an array."""

    @property
    def frames(self) -> int: ...

    def read(self, indices: Sequence[int], short_side: int | None = None) -> np.ndarray: ...


class ArrayFrames:
    """Frames in memory as a recording. It ignores `short_side`; :class:`Preprocess` does the scaling.

    Args:
        frames: uint8 ``[T, H, W, 3]``, or ``[T, H, W, 2]`` for flow.
        modality: name of their modality.
    """

    def __init__(self, frames: torch.Tensor | np.ndarray, modality: str = "rgb") -> None:
        self._frames = as_frames(frames, modality_of(modality))

    @property
    def frames(self) -> int:
        return len(self._frames)

    def read(self, indices: Sequence[int], short_side: int | None = None) -> np.ndarray:
        return self._frames[np.asarray(indices, dtype=np.int64)]


def load_views(
    source: FrameReader, preprocess: Preprocess, clips: int = 1, crops: int = 1, frames: int | None = None
) -> torch.Tensor:
    """Same as :func:`view_array`, but returns a torch tensor in ``channels_last_3d`` memory."""
    from spatempo.inputs.tensors import as_tensor

    return as_tensor(view_array(source, preprocess, clips, crops, frames))


def view_array(
    source: FrameReader, preprocess: Preprocess, clips: int = 1, crops: int = 1, frames: int | None = None
) -> np.ndarray:
    """Makes the views of one recording.

    Args:
        source: the recording.
        preprocess: input specification of the model.
        clips: number of clips, sampled by ``preprocess.sampling`` (:func:`spatempo.inputs.sampling.clip_indices`).
        crops: number of crops of each clip, 1 or 3 (:meth:`Preprocess.crops`).
        frames: use only this many frames from the start; all by default.

    Returns:
        Float32 ``[V, C, T, size, size]``, V = clips x crops, crops of the same clip in a row, stored as
        ``[V, T, size, size, C]``.
    """
    if clips < 1:
        raise SpatempoError(f"clips is {clips}; give at least 1")
    names = preprocess.crops(crops)
    indices = clip_indices(
        source.frames if frames is None else frames,
        preprocess.frames,
        preprocess.sampling,
        clips,
        window=preprocess.window,
        span=preprocess.span,
    )
    # One request for all clips: shared frames are decoded once, and the file is read once.
    read = source.read(np.concatenate(indices).tolist(), short_side=preprocess.short_side)
    views = [preprocess.array(clip, name) for clip in np.split(read, clips) for name in names]
    return stack_clips(views)


def stack_clips(clips: Sequence[np.ndarray]) -> np.ndarray:
    """Stacks clips ``[C, T, H, W]`` of one size, stored as ``[T, H, W, C]``, to ``[N, C, T, H, W]`` with one copy.

    The result is stored as ``[N, T, H, W, C]``, torch's ``channels_last_3d`` format.
    """
    return np.stack([clip.transpose(1, 2, 3, 0) for clip in clips]).transpose(0, 4, 1, 2, 3)
