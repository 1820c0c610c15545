"""The three convolutions of the R(2+1)D paper (Tran et al., CVPR 2018), with a common signature.

Their arguments are ``(in_channels, out_channels, mid, stride)``, and ``shortcut_stride`` gives the stride of a block's
shortcut:

* :class:`SpaceTimeConv`, 3x3x3: over space and time, stride in T, H and W;
* :class:`SpaceConv`, 1x3x3: over space only, each frame separately, no stride in T;
* :class:`Conv2Plus1D`: 1x3x3 to ``mid`` channels, batch norm, ReLU, then 3x1x1. The additional ReLU doubles the number
  of nonlinearities. With :func:`mid_channels` it has as many parameters as the 3D convolution.

Names and order of the layers are those of torchvision (``models/video/resnet.py``), so that its weight files fit.
"""

from __future__ import annotations

from typing import TypeAlias

from torch import nn

from spatempo.models.native.conv3d import Conv3d


def mid_channels(in_channels: int, out_channels: int, t: int = 3, d: int = 3) -> int:
    """M, for which a (1, d, d) and a (t, 1, 1) convolution have as many parameters as one (t, d, d) convolution.

    ``floor(t d^2 N_in N_out / (d^2 N_in + t N_out))``, section 3.5 of the paper; the authors' code rounds down too.
    """
    return t * d * d * in_channels * out_channels // (d * d * in_channels + t * out_channels)


class SpaceTimeConv(Conv3d):
    """3x3x3 convolution; ``mid`` is not used."""

    def __init__(self, in_channels: int, out_channels: int, mid: int, stride: int = 1) -> None:
        super().__init__(in_channels, out_channels, 3, stride, 1, bias=False)

    @staticmethod
    def shortcut_stride(stride: int) -> tuple[int, int, int]:
        return stride, stride, stride


class SpaceConv(nn.Conv3d):
    """1x3x3 convolution; ``mid`` is not used."""

    def __init__(self, in_channels: int, out_channels: int, mid: int, stride: int = 1) -> None:
        super().__init__(in_channels, out_channels, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False)

    @staticmethod
    def shortcut_stride(stride: int) -> tuple[int, int, int]:
        return 1, stride, stride


class Conv2Plus1D(nn.Sequential):
    """1 x d x d convolution with spatial stride, batch norm, ReLU, and t x 1 x 1 convolution with temporal stride.

    Args:
        in_channels, out_channels: numbers of channels.
        mid: M, number of channels between the two convolutions.
        stride: stride in T, H and W.
        t, d: temporal and spatial kernel size; 3 in blocks, 1 in a factorised shortcut.
    """

    def __init__(self, in_channels: int, out_channels: int, mid: int, stride: int = 1, t: int = 3, d: int = 3) -> None:
        super().__init__(
            nn.Conv3d(in_channels, mid, (1, d, d), (1, stride, stride), (0, d // 2, d // 2), bias=False),
            nn.BatchNorm3d(mid),
            nn.ReLU(inplace=True),
            Conv3d(mid, out_channels, (t, 1, 1), (stride, 1, 1), (t // 2, 0, 0), bias=False),
        )

    @staticmethod
    def shortcut_stride(stride: int) -> tuple[int, int, int]:
        return stride, stride, stride


Maker: TypeAlias = type[SpaceTimeConv] | type[SpaceConv] | type[Conv2Plus1D]


def plain_stem(channels: int, width: int, t: int, *, pad: bool = True) -> nn.Sequential:
    """t x 7 x 7 convolution, stride 2 in space, batch norm, ReLU. Without padding in time, t frames become 1 (R2D)."""
    return nn.Sequential(
        Conv3d(channels, width, (t, 7, 7), (1, 2, 2), (t // 2 if pad else 0, 3, 3), bias=False),
        nn.BatchNorm3d(width),
        nn.ReLU(inplace=True),
    )


def factorised_stem(channels: int, width: int, mid: int) -> nn.Sequential:
    """1x7x7 convolution (spatial stride 2) to ``mid`` channels and 3x1x1 convolution, both with batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv3d(channels, mid, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False),
        nn.BatchNorm3d(mid),
        nn.ReLU(inplace=True),
        Conv3d(mid, width, (3, 1, 1), 1, (1, 0, 0), bias=False),
        nn.BatchNorm3d(width),
        nn.ReLU(inplace=True),
    )
