"""Temporal max pooling by two, TSM's option to halve the frames before the second stage (its released code's tpool).

Each output frame is the largest value, place by place and channel by channel, of three frames two apart::

    out[k] = max(x[2k - 1], x[2k], x[2k + 1]),   k = 0 .. ceil(T / 2) - 1

with what lies outside the clip left out, so an odd T ends with a window of two frames and T = 1 stays as it is.

Causal form: the window ends at the newer frame of each pair, ``out[k] = max(x[2k - 1], x[2k], x[2k + 1])`` too, but it
is known only once frame 2k + 1 is there: a step takes two frames and keeps the newer one, ``[B, C, H, W]``. An odd T,
which no sequence of such steps has, ends as above. So both forms are one and the same function; what differs is only
that nothing before or after it looks at a later frame.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from spatempo.operators.base import Reach, TemporalOperator
from spatempo.operators.call import State


def temporal_pool(x: Tensor) -> Tensor:
    """``[B, T, C, H, W] -> [B, ceil(T / 2), C, H, W]``."""
    return F.max_pool3d(x.transpose(1, 2), (3, 1, 1), stride=(2, 1, 1), padding=(1, 0, 0)).transpose(1, 2)


class TemporalPool(TemporalOperator):
    """The pooling as a module: from here on the call has half as many frames."""

    stride = 2

    @property
    def reach(self) -> Reach | None:
        return Reach(1, 0) if self.causal else Reach(1, 1)

    def mix(self, clip: Tensor) -> Tensor:
        pooled = temporal_pool(clip)
        self.call.pool(pooled.shape[1])
        return pooled

    def mix_step(self, clip: Tensor, past: State | None) -> tuple[Tensor, State]:
        window = clip if past is None else torch.cat([past[0].unsqueeze(1), clip], 1)
        self.call.pool(1)
        return window.amax(1, keepdim=True), (clip[:, -1],)
