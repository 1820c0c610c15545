"""The R(2+1)D paper's own rules for :class:`~spatempo.models.native.video_resnet.VideoResNet`: mid channels, shortcuts,
and the epsilon of its batch norms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from spatempo.models.native.convs import Conv2Plus1D, Maker, mid_channels
from spatempo.models.native.video_resnet import BasicBlock, BlockSpec, Bottleneck, MakeBlock, MakeShortcut

TORCH_EPS = 1e-5
CAFFE2_EPS = 1e-3
"""Batch norm's epsilon in the authors' framework; weights trained with it need it (ported ones too)."""

Block = type[BasicBlock] | type[Bottleneck]


def block_maker(block: Block, makers: Sequence[Maker], mid_per_block: bool) -> MakeBlock:
    """Makes the blocks of a network.

    Args:
        block: basic (two convolutions of the stage's maker) or bottleneck (one between two 1x1x1).
        makers: of the four stages' convolutions.
        mid_per_block: all convolutions of a block get the mid channels that follow from its input, as in torchvision.
            Otherwise each has its own; those of a bottleneck follow from its width, as in the authors' code.
    """

    def basic(spec: BlockSpec, shortcut: nn.Module | None) -> nn.Module:
        inputs, width, maker = spec.inputs, spec.width, makers[spec.stage]
        mid1 = mid_channels(inputs, width)
        mid2 = mid1 if mid_per_block else mid_channels(width, width)
        return BasicBlock(maker(inputs, width, mid1, spec.stride), maker(width, width, mid2), width, shortcut)

    def bottleneck(spec: BlockSpec, shortcut: nn.Module | None) -> nn.Module:
        inputs, width, maker = spec.inputs, spec.width, makers[spec.stage]
        mid = mid_channels(inputs if mid_per_block else width, width)
        return Bottleneck(
            nn.Conv3d(inputs, width, 1, bias=False),
            maker(width, width, mid, spec.stride),
            nn.Conv3d(width, width * Bottleneck.expansion, 1, bias=False),
            width,
            shortcut,
        )

    return basic if block is BasicBlock else bottleneck


def shortcut_maker(makers: Sequence[Maker], factorised: bool) -> MakeShortcut:
    """Makes the shortcuts: 1x1x1 with the stride of the stage's maker, ``factorised`` as (2+1)D (mmaction2)."""

    def make(spec: BlockSpec, outputs: int) -> nn.Module:
        inputs, stride = spec.inputs, spec.stride
        if factorised:
            conv: nn.Module = Conv2Plus1D(inputs, outputs, mid_channels(inputs, outputs, d=1), stride, t=1, d=1)
        else:
            conv = nn.Conv3d(inputs, outputs, 1, makers[spec.stage].shortcut_stride(stride), bias=False)
        return nn.Sequential(conv, nn.BatchNorm3d(outputs))

    return make


def set_eps(net: nn.Module, options: Mapping[str, Any]) -> None:
    """Gives the batch norms of a network the epsilon of its options: ``bn_eps``, where ``None`` is torch's.

    In mmaction2's form the norms between space and time do not get the setting and have torch's.
    """
    for module in net.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.eps = options["bn_eps"] or TORCH_EPS
    if options.get("form") == "mmaction2":
        for sequence in (net.get_submodule("stem"), *(m for m in net.modules() if isinstance(m, Conv2Plus1D))):
            norm = sequence.get_submodule("1")
            assert isinstance(norm, nn.BatchNorm3d)
            norm.eps = TORCH_EPS
