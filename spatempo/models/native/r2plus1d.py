"""Blocks, shortcuts and batch norm epsilon of the R(2+1)D paper, for
:class:`~spatempo.models.native.video_resnet.VideoResNet`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from spatempo.models.native.convs import Conv2Plus1D, Maker, mid_channels
from spatempo.models.native.video_resnet import BasicBlock, BlockSpec, Bottleneck, MakeBlock, MakeShortcut

TORCH_EPS = 1e-5
CAFFE2_EPS = 1e-3
"""Batch norm's epsilon in the authors' framework, Caffe2. Weights trained with it need it, also after conversion."""

Block = type[BasicBlock] | type[Bottleneck]


def block_maker(block: Block, makers: Sequence[Maker], mid_per_block: bool) -> MakeBlock:
    """Returns a function that creates the blocks of a network.

    Args:
        block: basic (two convolutions) or bottleneck (one convolution between two 1x1x1).
        makers: convolution classes of the four stages.
        mid_per_block: whether all convolutions of a block have the mid channels computed from its input channels, as in
            torchvision. Otherwise they are computed for each convolution; in a bottleneck from its width, as in the
            authors' code.
    """

    def basic(spec: BlockSpec, shortcut: nn.Module | None) -> nn.Module:
        in_channels, width, maker = spec.in_channels, spec.width, makers[spec.stage]
        mid1 = mid_channels(in_channels, width)
        mid2 = mid1 if mid_per_block else mid_channels(width, width)
        return BasicBlock(maker(in_channels, width, mid1, spec.stride), maker(width, width, mid2), width, shortcut)

    def bottleneck(spec: BlockSpec, shortcut: nn.Module | None) -> nn.Module:
        in_channels, width, maker = spec.in_channels, spec.width, makers[spec.stage]
        mid = mid_channels(in_channels if mid_per_block else width, width)
        return Bottleneck(
            nn.Conv3d(in_channels, width, 1, bias=False),
            maker(width, width, mid, spec.stride),
            nn.Conv3d(width, width * Bottleneck.expansion, 1, bias=False),
            width,
            shortcut,
        )

    return basic if block is BasicBlock else bottleneck


def shortcut_maker(makers: Sequence[Maker], factorised: bool) -> MakeShortcut:
    """Returns a function that creates shortcuts: 1x1x1 convolutions, (2+1)D ones if ``factorised`` (mmaction2)."""

    def make(spec: BlockSpec, out_channels: int) -> nn.Module:
        in_channels, stride = spec.in_channels, spec.stride
        if factorised:
            mid = mid_channels(in_channels, out_channels, d=1)
            conv: nn.Module = Conv2Plus1D(in_channels, out_channels, mid, stride, t=1, d=1)
        else:
            conv = nn.Conv3d(in_channels, out_channels, 1, makers[spec.stage].shortcut_stride(stride), bias=False)
        return nn.Sequential(conv, nn.BatchNorm3d(out_channels))

    return make


def set_eps(net: nn.Module, options: Mapping[str, Any]) -> None:
    """Sets the epsilon of a network's batch norms to the option ``bn_eps``; ``None`` means torch's default.

    In mmaction2's form the batch norms between space and time always have torch's default.
    """
    for module in net.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.eps = options["bn_eps"] or TORCH_EPS
    if options.get("form") == "mmaction2":
        for sequence in (net.get_submodule("stem"), *(m for m in net.modules() if isinstance(m, Conv2Plus1D))):
            norm = sequence.get_submodule("1")
            assert isinstance(norm, nn.BatchNorm3d)
            norm.eps = TORCH_EPS
