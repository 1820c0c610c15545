"""STH (Li et al., "STH: Spatio-Temporal Hybrid Convolution for Efficient Action Recognition", arXiv 2003.08042).

A 3x3 convolution gives a share p of its input channels over to time: a filter sees those through a temporal 3x1x1
kernel and all others through a spatial 1x3x3 one, so it costs less than the 3x3 that it replaces. Two forms, with
G = 1/p groups of input channels X_1 .. X_G (and of output channels Y_1 .. Y_G) ::

    hybrid   Y_g = conv3x1x1(X_g) + sum over j != g of conv1x3x3(X_j)      every filter sees both; the temporal window
                                                                          slides over the channels with g
    merge    Y_1 = conv3x1x1(X),  Y_2 .. Y_G = conv1x3x3(X)                only a share p of the filters sees time

Either way the maps are O = O_S + O_T, the spatial and the temporal branch (where merge has no filter of a branch, that
branch is zero), and C_in * C_out * (9 (1 - p) + 3 p) weights make them. Attention (the paper's Eq. 3) weighs the
branches anew for every channel of every clip ::

    O = a_S * O_S + a_T * O_T,     a_S, a_T = softmax over the branches of FC(mean of O_S), FC(mean of O_T)

with the mean over T, H and W, and one fully connected layer C_out -> C_out for both. That reading of "FC & SM" in the
paper's Figure 4 is the one whose parameters come to the published 23.2 M. A softmax over two is a sigmoid of their
difference, so the layer's bias drops out of the result; it is there because the published count has it.

Shapes: clips ``[B, T, C_in, H, W]`` to ``[B, T, C_out, H', W']``; zeros pad T and, for the spatial part, H and W; a
stride is spatial and both branches take it. Reach: one frame either way; the whole clip with attention, which pools
over it. No causal form is published, and none is here. Cost: 75 + 8 % of the 3x3's multiply-accumulates at p = 1/4.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Form = Literal["hybrid", "merge"]
Integration = Literal["attention", "sum"]
Init = Literal["sum", "centre", "inflate", "shift"]


def sth_hybrid(x: Tensor, spatial: Tensor, temporal: Tensor, stride: int = 1) -> tuple[Tensor, Tensor]:
    """Both branches of the hybrid form.

    Args:
        x: clips, ``[B, T, C_in, H, W]``.
        spatial: 1x3x3 kernels, ``[C_out, C_in (1 - p), 3, 3]``: those of output group g over all input groups but g.
        temporal: 3x1x1 kernels over t-1, t, t+1, ``[C_out, C_in p, 3]``: those of output group g over input group g.
        stride: in H and W.

    Returns:
        ``O_S`` and ``O_T``, each ``[B, T, C_out, H', W']``.
    """
    groups = x.shape[2] // temporal.shape[1]
    parts = x.flatten(0, 1).chunk(groups, 1)
    maps = []
    for g, kernels in enumerate(spatial.chunk(groups)):
        others = torch.cat([*parts[:g], *parts[g + 1 :]], 1)
        maps.append(F.conv2d(others, kernels, stride=stride, padding=1))
    return torch.cat(maps, 1).unflatten(0, x.shape[:2]), _over_time(x, temporal, stride, groups)


def sth_merge(x: Tensor, spatial: Tensor, temporal: Tensor, stride: int = 1) -> tuple[Tensor, Tensor]:
    """Both branches of the merge form, each zero in the channels that the other fills.

    Args:
        x: clips, ``[B, T, C_in, H, W]``.
        spatial: 1x3x3 kernels of the last ``C_out (1 - p)`` outputs, ``[C_out (1 - p), C_in, 3, 3]``.
        temporal: 3x1x1 kernels of the first ``C_out p`` outputs, ``[C_out p, C_in, 3]``.
        stride: in H and W.

    Returns:
        ``O_S`` and ``O_T``, each ``[B, T, C_out, H', W']``.
    """
    o_s = F.conv2d(x.flatten(0, 1), spatial, stride=stride, padding=1)
    o_t = _over_time(x, temporal, stride, 1)
    before, behind = temporal.shape[0], spatial.shape[0]
    o_s = F.pad(o_s, (0, 0, 0, 0, before, 0)).unflatten(0, x.shape[:2])
    return o_s, F.pad(o_t, (0, 0, 0, 0, 0, behind))


def _over_time(x: Tensor, kernels: Tensor, stride: int, groups: int) -> Tensor:
    x = x[..., ::stride, ::stride]  # where the 3x3 has its centre taps
    columns = x.transpose(1, 2).flatten(3)  # [B, C, T, H*W]: a picture whose height is time
    maps = F.conv2d(columns, kernels.unsqueeze(-1), padding=(1, 0), groups=groups)
    return maps.transpose(1, 2).unflatten(3, x.shape[3:])


def kernels_from_image(weight: Tensor, groups: int, form: Form, init: Init = "sum") -> tuple[Tensor, Tensor]:
    """STH kernels from a 2D convolution's, ``[C_out, C_in, 3, 3]``.

    The spatial ones are the 2D kernels where they stay. A temporal one has no room for the 3x3 values of the 2D kernel
    that it replaces; the paper does not say what it gets. By ``init``, its taps t-1, t, t+1 get

    * ``"sum"`` (the default): 0, s, 0 with s the sum of the nine values, which is how the 2D kernel answers where its
      input is locally flat. So the network starts as nearly the image network as an STH one can: equal on flat maps, at
      the same scale everywhere, which the batch norms loaded after it count on; order comes in by learning.
    * ``"centre"``: 0, c, 0 with c the middle value: the 2D kernel with its rim cut off.
    * ``"inflate"``: s/3, s/3, s/3, as I3D's: equal on flat and still maps; a moving average at the start.
    * ``"shift"``: s at t+1 in the first half of a filter's temporal channels, at t-1 in the second half: at p = 1/4 a
      filter sees as many shifted channels as in TSM. Order matters from the start, the image network's answer less.

    Returns:
        ``spatial`` and ``temporal`` as :func:`sth_hybrid` or :func:`sth_merge` takes them, new tensors.
    """
    if form == "merge":
        first = weight.shape[0] // groups
        return weight[first:].clone(), _taps(weight[:first], init)
    width = weight.shape[1] // groups
    spatial, temporal = [], []
    for g, filters in enumerate(weight.chunk(groups)):
        start, stop = g * width, (g + 1) * width
        spatial.append(torch.cat([filters[:, :start], filters[:, stop:]], 1))
        temporal.append(filters[:, start:stop])
    return torch.cat(spatial), _taps(torch.cat(temporal), init)


def _taps(kernels: Tensor, init: Init) -> Tensor:
    """``[C_out, C_in, 3, 3]`` to ``[C_out, C_in, 3]``."""
    total = kernels.sum((2, 3))
    zero = torch.zeros_like(total)
    if init == "centre":
        return torch.stack([zero, kernels[:, :, 1, 1], zero], 2)
    if init == "inflate":
        return torch.stack([total / 3] * 3, 2)
    if init == "shift":
        ahead = torch.arange(total.shape[1], device=total.device) < total.shape[1] // 2
        return torch.stack([total * ~ahead, zero, total * ahead], 2)
    return torch.stack([zero, total, zero], 2)


class BranchAttention(nn.Module):
    """How much each branch counts, for every channel of every clip.

    The layer starts at zero: both branches at exactly one half.
    """

    def __init__(self, channels: int, device: torch.device | None = None, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.fc = nn.Linear(channels, channels, device=device, dtype=dtype)
        nn.init.zeros_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def forward(self, spatial: Tensor, temporal: Tensor) -> Tensor:
        """Branches ``[B, T, C, H, W]`` to ``[B, 2, C]``: a_S and a_T, which add up to one."""
        pooled = torch.stack([spatial.mean((1, 3, 4)), temporal.mean((1, 3, 4))], 1)
        return self.fc(pooled).softmax(1)
