"""Temporal max pooling by two, TSM's option to halve the frames before the second stage (its released code's tpool).

Each output frame is the largest value, place by place and channel by channel, of three frames, every second one::

    out[k] = max(x[2k - 1], x[2k], x[2k + 1]),   k = 0 .. ceil(T / 2) - 1

with what lies outside the clip left out: the first window has two frames, and so has the last one of an odd T; T = 1
stays as it is.

Causal form: the same function, for ``out[k]`` is known once frame 2k + 1 is there. A step takes two frames and keeps
the newer one, ``[B, C, H, W]``, and whether there was one, ``[B, 1, 1, 1]``. No sequence of steps has an odd T.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from spatempo.operators.base import Reach, TemporalOperator
from spatempo.operators.context import State


def temporal_pool(x: Tensor) -> Tensor:
    """``[B, T, C, H, W] -> [B, ceil(T / 2), C, H, W]``."""
    return F.max_pool3d(x.transpose(1, 2), (3, 1, 1), stride=(2, 1, 1), padding=(1, 0, 0)).transpose(1, 2)


class TemporalPool(TemporalOperator):
    """The pooling as a module: from here on the forward pass has half as many frames."""

    state_names = ("newest", "seen")
    time_stride = 2

    @property
    def reach(self) -> Reach:
        # a window's own frame is its middle one, or, live, its newest
        return Reach(2, 0) if self.causal else Reach(1, 1)

    def mix(self, clip: Tensor) -> Tensor:
        pooled = temporal_pool(clip)
        self.context.pool(pooled.shape[1])
        return pooled

    def mix_step(self, clip: Tensor, past: State | None) -> tuple[Tensor, State]:
        pooled = clip.amax(1)
        if past is not None:
            before, there = past
            # a state of zeros is the start of a clip, where no frame, not even a black one, goes before
            pooled = torch.maximum(pooled, torch.where(there > 0, before, clip[:, 0]))
        self.context.pool(1)
        return pooled.unsqueeze(1), (clip[:, -1], clip.new_ones(clip.shape[0], 1, 1, 1))
