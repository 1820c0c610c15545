"""Gate-Shift-Fuse, GSF (Sudhakaran, Escalera, Lanz, "Gate-Shift-Fuse for Video Action Recognition", TPAMI 2023).

GSM with a learnt fusion. What stayed of a frame, r, and what came into it from a neighbour, s, are not added but
weighed, channel by channel and frame by frame::

    w[c, t]  =  sigmoid( conv3x3( [mean of s, mean of r] ) )      over the plane of channels and frames
    z        =  w * s  +  (1 - w) * r

Each half of the channels has a convolution of its own; the means are taken over a frame's pixels. Gates, directions and
the halves are GSM's (gate_shift.py). The gate starts at random here, as released, and w near 1/2 halves both parts, so
that GSF does not start as the image network.

Shapes: clips ``[B, T, C, H, W]`` in and out. Reach: 3 frames either way, one more than GSM by the fusion's convolution.
Cost, for the C channels that are gated: 29C + 40 parameters, 27C multiply-accumulates a pixel.

Causal form (ours): GSM's, and the fusion's convolution looks at frames t-2, t-1 and t, so that frame t sees t-5 .. t.
Its state is GSM's and the means of the last two frames, ``[B, 2, 2, C]``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spatempo.operators.base import Reach
from spatempo.operators.context import ForwardContext, State
from spatempo.operators.gate_shift import GateShift, frames_around, frames_before
from spatempo.operators.watch import parts_of


def fusion_weights(means: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """How much of what came in goes into each channel of each frame.

    Args:
        means: over the pixels of what came in and of what stayed, ``[B, T + 2, 2, C]``; two frames more than there are
            weights: one before and one after the clip, or two before it (causal).
        weight: of the two halves' convolutions, ``[2, 2, 3, 3]``: half, what came in or what stayed, channels, frames.
        bias: ``[2]``.

    Returns:
        ``[B, T, C]``, in 0 .. 1.
    """
    planes = means.unflatten(3, (2, -1)).permute(0, 3, 2, 4, 1).flatten(1, 2)  # [B, 2 * 2, C / 2, T + 2]
    planes = F.conv2d(planes, weight, bias, padding=(1, 0), groups=2)  # [B, 2, C / 2, T]
    return torch.sigmoid(planes).permute(0, 3, 1, 2).flatten(2, 3)


class GateShiftFuse(GateShift):
    """GSF on the first ``channels`` channels; any others pass by.

    The parameters have the names of the released code: GSM's, ``channel_conv1`` and ``channel_conv2``.

    Args:
        context: the video model's forward context.
        channels: how many are gated, an even number, with ``shuffle`` a multiple of 4.
        shuffle: the released code's channel shuffle.
        causal: look at the past only.
    """

    state_names = ("gated", "answers", "means")

    def __init__(self, context: ForwardContext, channels: int, *, shuffle: bool = False, causal: bool = False) -> None:
        super().__init__(context, channels, shuffle=shuffle, causal=causal)
        self.conv3D.reset_parameters()
        self.channel_conv1 = nn.Conv2d(2, 1, 3, padding=1)
        self.channel_conv2 = nn.Conv2d(2, 1, 3, padding=1)
        self.fusion = nn.Identity()  # w passes here, [B, T, C], so that it can be watched

    @property
    def reach(self) -> Reach:
        return Reach(5, 0) if self.causal else Reach(3, 3)

    def fuse(self, stays: Tensor, moved_in: Tensor) -> Tensor:
        return self._weigh(stays, moved_in, frames_around(_means(stays, moved_in), causal=self.causal))

    def fuse_step(self, stays: Tensor, moved_in: Tensor, past: State | None) -> tuple[Tensor, State]:
        means = frames_before(_means(stays, moved_in), None if past is None else past[0])
        return self._weigh(stays, moved_in, means), (means[:, -2:],)

    def _weigh(self, stays: Tensor, moved_in: Tensor, means: Tensor) -> Tensor:
        weight = torch.cat([self.channel_conv1.weight, self.channel_conv2.weight])
        assert self.channel_conv1.bias is not None
        assert self.channel_conv2.bias is not None
        bias = torch.cat([self.channel_conv1.bias, self.channel_conv2.bias])
        w = self.fusion(fusion_weights(means, weight, bias))[..., None, None]
        return stays + w * (moved_in - stays)


def _means(stays: Tensor, moved_in: Tensor) -> Tensor:
    return torch.stack([moved_in.mean((3, 4)), stays.mean((3, 4))], 2)  # [B, T, 2, C]


def fusion_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Where the weights ``[B, T, C]`` of each learnt fusion pass, by its name; for ``watch``."""
    return parts_of(model, GateShiftFuse, "fusion")
