"""One residual network for all of the R(2+1)D paper: a stem, and a convolution maker for each of four stages.

Built after torchvision's ``models/video/resnet.py`` and with its key names: ``stem.0``, ``layerL.B.conv1.0``,
``layerL.B.conv1.1`` (batch norm), ``layerL.0.downsample.0``. Differences: the last linear layer is the video model's
head; mid channels by convolution or by block; any width; a max-pool after the stem and factorised shortcuts for the
networks of other code that have them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from spatempo.models.native.convs import Conv2Plus1D, Maker, mid_channels


class BasicBlock(nn.Module):
    """Two convolutions of one maker beside a shortcut; ReLU after the sum.

    Args:
        inputs, width: channels of what comes in, and of the two convolutions.
        maker: of the convolutions.
        stride: of the first.
        downsample: the shortcut's convolution and batch norm, where it is not the identity.
        mid_per_block: both convolutions get the mid channels of the first, as in torchvision.
    """

    expansion = 1

    def __init__(
        self, inputs: int, width: int, maker: Maker, stride: int, downsample: nn.Module | None, mid_per_block: bool
    ) -> None:
        super().__init__()
        mid1 = mid_channels(inputs, width)
        mid2 = mid1 if mid_per_block else mid_channels(width, width)
        self.conv1 = nn.Sequential(maker(inputs, width, mid1, stride), nn.BatchNorm3d(width), nn.ReLU(inplace=True))
        self.conv2 = nn.Sequential(maker(width, width, mid2), nn.BatchNorm3d(width))
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(self.conv2(self.conv1(x)) + shortcut)


class Bottleneck(nn.Module):
    """1x1x1 down to ``width``, one convolution of the maker, 1x1x1 up to four times ``width``.

    Mid channels follow from ``width`` alone, as in the authors' code; by block, as in torchvision, from the block's
    input.
    """

    expansion = 4

    def __init__(
        self, inputs: int, width: int, maker: Maker, stride: int, downsample: nn.Module | None, mid_per_block: bool
    ) -> None:
        super().__init__()
        mid = mid_channels(inputs if mid_per_block else width, width)
        outputs = width * self.expansion
        self.conv1 = nn.Sequential(
            nn.Conv3d(inputs, width, 1, bias=False), nn.BatchNorm3d(width), nn.ReLU(inplace=True)
        )
        self.conv2 = nn.Sequential(maker(width, width, mid, stride), nn.BatchNorm3d(width), nn.ReLU(inplace=True))
        self.conv3 = nn.Sequential(nn.Conv3d(width, outputs, 1, bias=False), nn.BatchNorm3d(outputs))
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(self.conv3(self.conv2(self.conv1(x))) + shortcut)


class VideoResNet(nn.Module):
    """Clips ``[B, C, T, H, W]`` to maps ``[B, num_features, T', H', W']``.

    Args:
        block: basic or bottleneck.
        makers: of the four stages' convolutions.
        layers: blocks of the four stages.
        stem: the first layers, ``width`` channels out.
        width: channels of the first stage (bottleneck width); it doubles from stage to stage.
        mid_per_block: torchvision's rule for the mid channels instead of the paper's.
        pool: a (1, 3, 3) max-pool of stride (1, 2, 2) after the stem.
        factorised_shortcut: the shortcuts' 1x1x1 convolutions are (2+1)D too (mmaction2).
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        makers: Sequence[Maker],
        layers: Sequence[int],
        stem: nn.Sequential,
        *,
        width: int = 64,
        mid_per_block: bool = False,
        pool: bool = False,
        factorised_shortcut: bool = False,
    ) -> None:
        super().__init__()
        self.stem = stem
        self.pool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)) if pool else nn.Identity()
        inputs = width
        for number, (maker, count) in enumerate(zip(makers, layers, strict=True)):
            planes, blocks = width * 2**number, []
            outputs = planes * block.expansion
            for position in range(count):
                stride = 2 if number > 0 and position == 0 else 1
                shortcut = None
                if stride != 1 or inputs != outputs:
                    shortcut = _shortcut(inputs, outputs, maker, stride, factorised_shortcut)
                blocks.append(block(inputs, planes, maker, stride, shortcut, mid_per_block))
                inputs = outputs
            self.add_module(f"layer{number + 1}", nn.Sequential(*blocks))
        self.num_features = inputs
        self.recompute = False
        self._start()

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.stem(x))
        for _, block in self.blocks():
            if self.recompute and torch.is_grad_enabled():
                out = checkpoint(block, x, use_reentrant=False)
                assert isinstance(out, Tensor)
                x = out
            else:
                x = block(x)
        return x

    def blocks(self) -> list[tuple[str, nn.Module]]:
        """The residual blocks by name, in order."""
        stages = [f"layer{i}" for i in range(1, 5)]
        return [(f"{stage}.{i}", block) for stage in stages for i, block in self.get_submodule(stage).named_children()]

    def _start(self) -> None:
        """He's initialisation, as in the authors' code and torchvision."""
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _shortcut(inputs: int, outputs: int, maker: Maker, stride: int, factorised: bool) -> nn.Sequential:
    if factorised:
        conv: nn.Module = Conv2Plus1D(inputs, outputs, mid_channels(inputs, outputs, d=1), stride, t=1, d=1)
    else:
        conv = nn.Conv3d(inputs, outputs, 1, maker.shortcut_stride(stride), bias=False)
    return nn.Sequential(conv, nn.BatchNorm3d(outputs))
