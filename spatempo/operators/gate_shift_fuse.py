"""Gate-Shift-Fuse, GSF (Sudhakaran, Escalera, Lanz, "Gate-Shift-Fuse for Video Action Recognition", TPAMI 2023).

GSM with a learnt fusion. The residual r of a frame and the part s that it receives from a neighbour are not added but
weighted, per channel and frame::

    w[c, t]  =  sigmoid( conv3x3( [mean of s, mean of r] ) )      over the plane of channels and frames
    z        =  w * s  +  (1 - w) * r

Each half of the channels has its own convolution. The means are over the pixels of a frame. Gates, directions and
halves are those of GSM (gate_shift.py). As in the released code, the gate starts with random weights. Since w near 1/2
also halves both parts, a network with GSF does not start as the image network.

Shapes: clips ``[B, T, C, H, W]`` in and out. Temporal reach: 3 frames in each direction, one more than GSM because of
the convolution of the fusion. Cost for C gated channels: 29C + 40 parameters, 27C multiply-accumulates per pixel.

Causal form (ours): that of GSM. The convolution of the fusion uses frames t-2, t-1 and t, so frame t depends on
t-5 .. t. State: that of GSM and the means of the last two frames, ``[B, 2, 2, C]``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spatempo.operators.base import Reach
from spatempo.operators.context import ForwardContext, State
from spatempo.operators.gate_shift import GateShift, pad_frames, prepend_past
from spatempo.operators.watch import named_parts


def fusion_weights(means: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Weights of the received part, per channel and frame.

    Args:
        means: pixel means of the received part and of the residual, ``[B, T + 2, 2, C]``. The two extra frames are one
            before and one after the clip, or two before it (causal).
        weight: kernels of the two halves, ``[2, 2, 3, 3]``: half, (received, residual), channels, frames.
        bias: biases of the two halves, ``[2]``.

    Returns:
        ``[B, T, C]``, in 0 .. 1.
    """
    planes = means.unflatten(3, (2, -1)).permute(0, 3, 2, 4, 1).flatten(1, 2)  # [B, 2 * 2, C / 2, T + 2]
    planes = F.conv2d(planes, weight, bias, padding=(1, 0), groups=2)  # [B, 2, C / 2, T]
    return torch.sigmoid(planes).permute(0, 3, 1, 2).flatten(2, 3)


class GateShiftFuse(GateShift):
    """GSF on the first ``channels`` channels. All other channels are unchanged.

    Parameter names are those of the released code: those of GSM, ``channel_conv1`` and ``channel_conv2``.

    Args:
        context: the video model's forward context.
        channels: number of gated channels: even, or a multiple of 4 with ``shuffle``.
        shuffle: apply the channel shuffle of the released code.
        causal: use past frames only.
    """

    state_names = ("gated", "answers", "means")

    def __init__(self, context: ForwardContext, channels: int, *, shuffle: bool = False, causal: bool = False) -> None:
        super().__init__(context, channels, shuffle=shuffle, causal=causal)
        self.conv3D.reset_parameters()
        self.channel_conv1 = nn.Conv2d(2, 1, 3, padding=1)
        self.channel_conv2 = nn.Conv2d(2, 1, 3, padding=1)
        self.fusion = nn.Identity()  # outputs w, [B, T, C], for forward hooks

    @property
    def reach(self) -> Reach:
        return Reach(5, 0) if self.causal else Reach(3, 3)

    def fuse(self, residual: Tensor, received: Tensor) -> Tensor:
        return self._weigh(residual, received, pad_frames(_means(residual, received), causal=self.causal))

    def fuse_step(self, residual: Tensor, received: Tensor, past: State | None) -> tuple[Tensor, State]:
        means = prepend_past(_means(residual, received), None if past is None else past[0])
        return self._weigh(residual, received, means), (means[:, -2:],)

    def _weigh(self, residual: Tensor, received: Tensor, means: Tensor) -> Tensor:
        weight = torch.cat([self.channel_conv1.weight, self.channel_conv2.weight])
        assert self.channel_conv1.bias is not None
        assert self.channel_conv2.bias is not None
        bias = torch.cat([self.channel_conv1.bias, self.channel_conv2.bias])
        w = self.fusion(fusion_weights(means, weight, bias))[..., None, None]
        return residual + w * (received - residual)


def _means(residual: Tensor, received: Tensor) -> Tensor:
    return torch.stack([received.mean((3, 4)), residual.mean((3, 4))], 2)  # [B, T, 2, C]


def fusion_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Layers that output the weights ``[B, T, C]`` of each GSF module, by module name; for ``watch``."""
    return named_parts(model, GateShiftFuse, "fusion")
