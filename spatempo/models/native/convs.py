"""The three convolutions of the R(2+1)D paper (Tran et al., CVPR 2018), one signature for all.

A maker takes ``(inputs, outputs, mid, stride)`` and knows how its block's shortcut must stride:

* :class:`SpaceTimeConv`, 3x3x3: space and time at once, stride in T, H and W;
* :class:`SpaceConv`, 1x3x3: space only, every frame for itself, no stride in T;
* :class:`Conv2Plus1D`: 1x3x3 to ``mid`` channels, batch norm, ReLU, then 3x1x1. The ReLU between the two doubles the
  network's nonlinearities at the parameters of the 3D convolution, which is what :func:`mid_channels` sees to.

Names and order of the layers are torchvision's (``models/video/resnet.py``), so that its weight files fit.
"""

from __future__ import annotations

from typing import TypeAlias

from torch import nn

from spatempo.models.native.conv3d import Conv3d


def mid_channels(inputs: int, outputs: int, t: int = 3, d: int = 3) -> int:
    """M, with which a (1, d, d) and a (t, 1, 1) convolution have the parameters of one (t, d, d).

    ``floor(t d^2 N_in N_out / (d^2 N_in + t N_out))``, section 3.5 of the paper; the authors' code rounds down too.
    """
    return t * d * d * inputs * outputs // (d * d * inputs + t * outputs)


class SpaceTimeConv(Conv3d):
    """3x3x3; ``mid`` is not used."""

    def __init__(self, inputs: int, outputs: int, mid: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, 3, stride, 1, bias=False)

    @staticmethod
    def shortcut_stride(stride: int) -> tuple[int, int, int]:
        return stride, stride, stride


class SpaceConv(nn.Conv3d):
    """1x3x3; ``mid`` is not used."""

    def __init__(self, inputs: int, outputs: int, mid: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False)

    @staticmethod
    def shortcut_stride(stride: int) -> tuple[int, int, int]:
        return 1, stride, stride


class Conv2Plus1D(nn.Sequential):
    """1 x d x d in space, batch norm, ReLU, t x 1 x 1 in time; the spatial one strides in space, the other in time.

    Args:
        inputs, outputs: channels.
        mid: channels between the two, M.
        stride: of each of T, H and W.
        t, d: the kernel; 3 in the blocks, 1 in a factorised shortcut.
    """

    def __init__(self, inputs: int, outputs: int, mid: int, stride: int = 1, t: int = 3, d: int = 3) -> None:
        super().__init__(
            nn.Conv3d(inputs, mid, (1, d, d), (1, stride, stride), (0, d // 2, d // 2), bias=False),
            nn.BatchNorm3d(mid),
            nn.ReLU(inplace=True),
            Conv3d(mid, outputs, (t, 1, 1), (stride, 1, 1), (t // 2, 0, 0), bias=False),
        )

    @staticmethod
    def shortcut_stride(stride: int) -> tuple[int, int, int]:
        return stride, stride, stride


Maker: TypeAlias = type[SpaceTimeConv] | type[SpaceConv] | type[Conv2Plus1D]


def plain_stem(channels: int, width: int, t: int, *, pad: bool = True) -> nn.Sequential:
    """t x 7 x 7, stride 2 in space, batch norm, ReLU. Without padding in time, t frames become one (R2D)."""
    return nn.Sequential(
        Conv3d(channels, width, (t, 7, 7), (1, 2, 2), (t // 2 if pad else 0, 3, 3), bias=False),
        nn.BatchNorm3d(width),
        nn.ReLU(inplace=True),
    )


def factorised_stem(channels: int, width: int, mid: int) -> nn.Sequential:
    """1x7x7 to ``mid`` channels, stride 2 in space, batch norm, ReLU, 3x1x1, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv3d(channels, mid, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False),
        nn.BatchNorm3d(mid),
        nn.ReLU(inplace=True),
        Conv3d(mid, width, (3, 1, 1), 1, (1, 0, 0), bias=False),
        nn.BatchNorm3d(width),
        nn.ReLU(inplace=True),
    )
