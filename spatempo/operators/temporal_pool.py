"""Temporal max pooling by two, TSM's option that halves the number of frames before the second stage (``tpool`` in its
released code).

Each output frame is the element-wise maximum of three consecutive frames, with a stride of two ::

    out[k] = max(x[2k - 1], x[2k], x[2k + 1]),   k = 0 .. ceil(T / 2) - 1

Frames outside the clip are ignored: the first window has two frames, and so has the last one if T is odd. A clip with
T = 1 is unchanged. Temporal reach: one frame in each direction.

Causal form: the same function, because ``out[k]`` needs no frame after 2k + 1. Each step takes two frames. State: the
newer one, ``[B, C, H, W]``, and a flag that it exists, ``[B, 1, 1, 1]``. A stream therefore has an even
number of frames.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from spatempo.operators.base import Reach, TemporalOperator
from spatempo.operators.context import State


def temporal_pool(x: Tensor) -> Tensor:
    """Pools clips, ``[B, T, C, H, W] -> [B, ceil(T / 2), C, H, W]``."""
    return F.max_pool3d(x.transpose(1, 2), (3, 1, 1), stride=(2, 1, 1), padding=(1, 0, 0)).transpose(1, 2)


class TemporalPool(TemporalOperator):
    """Temporal max pooling as a module. The rest of the network gets half as many frames."""

    state_names = ("newest", "seen")
    time_stride = 2

    @property
    def reach(self) -> Reach:
        # relative to the middle frame of the window; causal: relative to its newest frame
        return Reach(2, 0) if self.causal else Reach(1, 1)

    def mix(self, clip: Tensor) -> Tensor:
        pooled = temporal_pool(clip)
        self.context.pool(pooled.shape[1])
        return pooled

    def mix_step(self, clip: Tensor, past: State | None) -> tuple[Tensor, State]:
        pooled = clip.amax(1)
        if past is not None:
            previous, exists = past
            # a state of zeros is the start of a stream: there is no previous frame, not even a black one
            pooled = torch.maximum(pooled, torch.where(exists > 0, previous, clip[:, 0]))
        self.context.pool(1)
        return pooled.unsqueeze(1), (clip[:, -1], clip.new_ones(clip.shape[0], 1, 1, 1))
