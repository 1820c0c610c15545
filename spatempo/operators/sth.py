"""STH (Li et al., "STH: Spatio-Temporal Hybrid Convolution for Efficient Action Recognition", arXiv 2003.08042).

A 3x3 convolution is replaced by a temporal branch (3x1x1 kernels) and a spatial branch (1x3x3 kernels), which together
have fewer weights. p is the fraction of the input channels (hybrid form) or of the filters (merge form) in the temporal
branch. With G = 1/p groups of input channels X_1 .. X_G and output channels Y_1 .. Y_G ::

    hybrid   Y_g = conv3x1x1(X_g) + sum over j != g of conv1x3x3(X_j)      every filter has both kinds of kernels; the
                                                                          temporal channels X_g change with g
    merge    Y_1 = conv3x1x1(X),  Y_2 .. Y_G = conv1x3x3(X)                a fraction p of the filters is temporal

In both forms O = O_S + O_T, the sum of the spatial and the temporal branch (in the merge form each branch is zero in
the channels of the other), with C_in * C_out * (9 (1 - p) + 3 p) weights. Attention (the paper's Eq. 3) weights the two
branches per channel and clip ::

    O = a_S * O_S + a_T * O_T,     a_S, a_T = softmax over the branches of FC(mean of O_S), FC(mean of O_T)

The mean is over T, H and W, and one fully connected layer C_out -> C_out serves both branches. The paper's Figure 4
only says "FC & SM"; this reading of it gives the published 23.2 M parameters. A softmax over two values is a sigmoid of
their difference, so the bias of the layer cancels out. The layer has one because the published count includes it.

Shapes: clips ``[B, T, C_in, H, W]`` to ``[B, T, C_out, H', W']``. T is zero-padded; H and W too in the spatial branch.
The stride is spatial and applies to both branches. Temporal reach: one frame in each direction; with attention the
whole clip. The paper has no causal form, and neither has this file. Cost at p = 1/4: 75 % (spatial) + 8 % (temporal) of
the multiply-accumulates of the 3x3.
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
    """Computes both branches of the hybrid form.

    Args:
        x: clips, ``[B, T, C_in, H, W]``.
        spatial: 1x3x3 kernels, ``[C_out, C_in (1 - p), 3, 3]``: output group g reads all input groups except g.
        temporal: 3x1x1 kernels over t-1, t, t+1, ``[C_out, C_in p, 3]``: output group g reads input group g.
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
    """Computes both branches of the merge form. Each branch is zero in the channels of the other.

    Args:
        x: clips, ``[B, T, C_in, H, W]``.
        spatial: 1x3x3 kernels of the last ``C_out (1 - p)`` output channels, ``[C_out (1 - p), C_in, 3, 3]``.
        temporal: 3x1x1 kernels of the first ``C_out p`` output channels, ``[C_out p, C_in, 3]``.
        stride: in H and W.

    Returns:
        ``O_S`` and ``O_T``, each ``[B, T, C_out, H', W']``.
    """
    o_s = F.conv2d(x.flatten(0, 1), spatial, stride=stride, padding=1)
    o_t = _over_time(x, temporal, stride, 1)
    temporal_channels, spatial_channels = temporal.shape[0], spatial.shape[0]
    o_s = F.pad(o_s, (0, 0, 0, 0, temporal_channels, 0)).unflatten(0, x.shape[:2])
    return o_s, F.pad(o_t, (0, 0, 0, 0, 0, spatial_channels))


def _over_time(x: Tensor, kernels: Tensor, stride: int, groups: int) -> Tensor:
    x = x[..., ::stride, ::stride]  # the pixels under the centre taps of the 3x3
    columns = x.transpose(1, 2).flatten(3)  # [B, C, T, H*W]: an image whose height is time
    maps = F.conv2d(columns, kernels.unsqueeze(-1), padding=(1, 0), groups=groups)
    return maps.transpose(1, 2).unflatten(3, x.shape[3:])


def kernels_from_image(weight: Tensor, groups: int, form: Form, init: Init = "sum") -> tuple[Tensor, Tensor]:
    """Makes STH kernels from the kernels of a 2D convolution, ``[C_out, C_in, 3, 3]``.

    Spatial kernels are copies of the 2D kernels. A temporal kernel has only 3 values for the 9 of the 2D kernel that it
    replaces, and the paper does not define them. ``init`` selects its taps t-1, t, t+1:

    * ``"sum"`` (default): 0, s, 0, where s is the sum of the nine values. Where the input is locally constant, the
      output equals that of the 2D kernel. This start is the closest to the image network, with the scale that the
      loaded batch norms expect. It does not depend on frame order; that is learnt.
    * ``"centre"``: 0, c, 0, where c is the centre value of the 2D kernel.
    * ``"inflate"``: s/3, s/3, s/3, as in I3D: equal to the 2D kernel on locally constant, still input. The start is a
      moving average over time.
    * ``"shift"``: s at t+1 in the first half of the temporal channels of a filter, at t-1 in the second half. At
      p = 1/4 a filter sees as many shifted channels as in TSM. Frame order matters from the start, but the start is
      further from the image network.

    Returns:
        ``spatial`` and ``temporal`` for :func:`sth_hybrid` or :func:`sth_merge`, as new tensors.
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
    """Attention weights of the two branches, per channel and clip (Eq. 3).

    The layer starts at zero, so both weights start at exactly 1/2.
    """

    def __init__(self, channels: int, device: torch.device | None = None, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.fc = nn.Linear(channels, channels, device=device, dtype=dtype)
        nn.init.zeros_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def forward(self, spatial: Tensor, temporal: Tensor) -> Tensor:
        """Maps the branches, ``[B, T, C, H, W]`` each, to their weights ``[B, 2, C]``: a_S and a_T, with sum one."""
        pooled = torch.stack([spatial.mean((1, 3, 4)), temporal.mean((1, 3, 4))], 1)
        return self.fc(pooled).softmax(1)
