"""The one way from a recording to the views a model is evaluated on.

Validation during training, ``test`` and ``predict`` all call :func:`load_views`, so their numbers agree. Frames are
read at the short side that the model's preprocessing asks for, scaled in the decoder's own scaler (a 1080p video never
becomes 1080p RGB in memory); a smaller video is read as it is, and :class:`Preprocess` enlarges it. Frames that are
already in memory (:class:`ArrayFrames`) meet no decoder, so Preprocess scales them both ways; against the same video
read from its file that leaves the difference between two scalers: 1 to 2 of 255 levels on average, more at sharp edges.
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
    """What is needed of a recording to make clips of it: any `VideoSource`, cached frames, an array."""

    @property
    def frames(self) -> int: ...

    def read(self, indices: Sequence[int], short_side: int | None = None) -> np.ndarray: ...


class ArrayFrames:
    """Frames in memory, uint8 ``[T, H, W, 3]``, as a recording. `short_side` is left to :class:`Preprocess`.

    Args:
        modality: what they are frames of, by name.
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
    """As :func:`view_array`, as a torch tensor in ``channels_last_3d`` memory."""
    from spatempo.inputs.tensors import as_tensor

    return as_tensor(view_array(source, preprocess, clips, crops, frames))


def view_array(
    source: FrameReader, preprocess: Preprocess, clips: int = 1, crops: int = 1, frames: int | None = None
) -> np.ndarray:
    """The views of one recording.

    Args:
        clips: clips along time, sampled by ``preprocess.sampling`` (:func:`spatempo.inputs.sampling.clip_indices`).
        crops: crops of each clip, 1 or 3 (:meth:`Preprocess.crops`).
        frames: use only the first so many frames; all by default.

    Returns:
        Float32 ``[V, C, T, size, size]``, V = clips x crops, the crops of a clip side by side, physically
        ``[V, T, size, size, C]``.
    """
    if clips < 1:
        raise SpatempoError(f"clips is {clips}; give 1 or more")
    names = preprocess.crops(crops)
    indices = clip_indices(
        source.frames if frames is None else frames,
        preprocess.frames,
        preprocess.sampling,
        clips,
        window=preprocess.window,
        span=preprocess.span,
    )
    # One request for all clips: frames that clips share are decoded once, and the file is gone through once.
    read = source.read(np.concatenate(indices).tolist(), short_side=preprocess.short_side)
    views = [preprocess.array(clip, name) for clip in np.split(read, clips) for name in names]
    return np.stack([view.transpose(1, 2, 3, 0) for view in views]).transpose(0, 4, 1, 2, 3)
