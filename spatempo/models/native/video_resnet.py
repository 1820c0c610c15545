"""A configurable residual network over space and time.

Key names are those of torchvision's ``models/video/resnet.py``: ``stem.0``, ``layerL.B.conv1.0``, ``layerL.B.conv1.1``
(batch norm), ``layerL.0.downsample.0``. The final linear layer belongs to the head of the video model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor, nn


class BlockSpec(NamedTuple):
    """Specification of a block.

    Attributes:
        stage: index of its stage, 0 .. 3.
        position: index in its stage, from 0.
        in_channels: number of input channels.
        width: number of channels of its convolutions; the output has ``width * expansion`` channels.
        stride: spatial stride; the block decides whether it is also the temporal stride.
    """

    stage: int
    position: int
    in_channels: int
    width: int
    stride: int


MakeBlock = Callable[[BlockSpec, "nn.Module | None"], nn.Module]
"""``(spec, shortcut) -> block``; the shortcut is ``None`` if it is the identity."""
MakeShortcut = Callable[[BlockSpec, int], nn.Module]
"""``(spec, out_channels) -> shortcut``, a convolution and a batch norm."""


class BasicBlock(nn.Module):
    """Two convolutions and a shortcut, with ReLU after the sum.

    Args:
        conv1, conv2: the convolutions, both with ``width`` output channels.
        width: number of channels.
        downsample: the shortcut's convolution and batch norm; ``None`` if it is the identity.
    """

    expansion = 1

    def __init__(self, conv1: nn.Module, conv2: nn.Module, width: int, downsample: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(conv1, nn.BatchNorm3d(width), nn.ReLU(inplace=True))
        self.conv2 = nn.Sequential(conv2, nn.BatchNorm3d(width))
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(self.conv2(self.conv1(x)) + shortcut)

    def temporal_paths(self) -> list[list[nn.Module]]:
        """See :func:`~spatempo.models.native.reach.temporal_extent`."""
        return _with_shortcut([self.conv1, self.conv2], self.downsample)


class Bottleneck(nn.Module):
    """A 1x1x1 convolution to ``width`` channels, one over space and time, and a 1x1x1 convolution to ``4 * width``.

    Args:
        reduce, conv, expand: the three convolutions.
        width: number of channels of the middle convolution.
        downsample: the shortcut's convolution and batch norm; ``None`` if it is the identity.
    """

    expansion = 4

    def __init__(
        self, reduce: nn.Module, conv: nn.Module, expand: nn.Module, width: int, downsample: nn.Module | None
    ) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(reduce, nn.BatchNorm3d(width), nn.ReLU(inplace=True))
        self.conv2 = nn.Sequential(conv, nn.BatchNorm3d(width), nn.ReLU(inplace=True))
        self.conv3 = nn.Sequential(expand, nn.BatchNorm3d(width * self.expansion))
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(self.conv3(self.conv2(self.conv1(x))) + shortcut)

    def temporal_paths(self) -> list[list[nn.Module]]:
        """See :func:`~spatempo.models.native.reach.temporal_extent`."""
        return _with_shortcut([self.conv1, self.conv2, self.conv3], self.downsample)


class VideoResNet(nn.Module):
    """Clips ``[B, C, T, H, W]`` to maps ``[B, num_features, T', H', W']``.

    Args:
        stem: the first layers.
        layers: number of blocks in each stage.
        make_block: creates a block.
        make_shortcut: creates a shortcut where the stride or the number of channels changes; others are the identity.
        in_channels: number of output channels of the stem.
        width: width of the first stage; it doubles in each further stage.
        expansion: ratio of a block's output channels to its width.
        strides: spatial stride of the first block of each stage.
        pools: pooling layers by position: 0 for after the stem, n for after the n-th stage.
    """

    def __init__(
        self,
        stem: nn.Module,
        layers: Sequence[int],
        make_block: MakeBlock,
        make_shortcut: MakeShortcut,
        *,
        in_channels: int = 64,
        width: int = 64,
        expansion: int = 1,
        strides: Sequence[int] = (1, 2, 2, 2),
        pools: Mapping[int, nn.Module] | None = None,
    ) -> None:
        super().__init__()
        pools = pools or {}
        self.stem = stem
        self.pool = pools.get(0, nn.Identity())
        self.stages = len(layers)
        for stage, (count, first) in enumerate(zip(layers, strides, strict=True)):
            planes = width * 2**stage
            out_channels, blocks = planes * expansion, []
            for position in range(count):
                spec = BlockSpec(stage, position, in_channels, planes, first if position == 0 else 1)
                shortcut = None
                if spec.stride != 1 or in_channels != out_channels:
                    shortcut = make_shortcut(spec, out_channels)
                blocks.append(make_block(spec, shortcut))
                in_channels = out_channels
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
            if stage + 1 in pools:
                self.add_module(f"pool{stage + 1}", pools[stage + 1])
        self.num_features = in_channels
        self._init_weights()

    def forward(self, x: Tensor) -> Tensor:
        for module in self._in_order():
            x = module(x)
        return x

    def blocks(self) -> list[tuple[str, nn.Module]]:
        """Names and modules of the residual blocks, in order."""
        stages = [f"layer{i + 1}" for i in range(self.stages)]
        return [(f"{stage}.{i}", block) for stage in stages for i, block in self.get_submodule(stage).named_children()]

    def temporal_paths(self) -> list[list[nn.Module]]:
        """See :func:`~spatempo.models.native.reach.temporal_extent`."""
        return [self._in_order()]

    def _in_order(self) -> list[nn.Module]:
        children = dict(self.named_children())
        names = ["stem", "pool", *(f"{kind}{i + 1}" for i in range(self.stages) for kind in ("layer", "pool"))]
        return [children[name] for name in names if name in children]

    def _init_weights(self) -> None:
        """He initialisation, as in the R(2+1)D authors' code and torchvision."""
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _with_shortcut(branch: list[nn.Module], shortcut: nn.Module | None) -> list[list[nn.Module]]:
    """The paths of a residual block; an identity shortcut is omitted, because its extent is 0."""
    return [branch] if shortcut is None else [branch, [shortcut]]
