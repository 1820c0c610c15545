"""A residual network over space and time of which everything is an argument: stem, blocks, strides, pooling, expansion.

Key names are those of torchvision's ``models/video/resnet.py``: ``stem.0``, ``layerL.B.conv1.0``, ``layerL.B.conv1.1``
(batch norm), ``layerL.0.downsample.0``. The last linear layer is the video model's head.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor, nn


class BlockSpec(NamedTuple):
    """Where a block is, and what it must do there.

    Attributes:
        stage: 0 .. 3.
        position: in its stage, from 0.
        inputs: channels that come in.
        width: of its convolutions; it puts out ``width * expansion`` channels.
        stride: in space; whether time is strided too is the block's own affair.
    """

    stage: int
    position: int
    inputs: int
    width: int
    stride: int


MakeBlock = Callable[[BlockSpec, "nn.Module | None"], nn.Module]
"""``(spec, shortcut) -> block``; the shortcut is ``None`` where it is the identity."""
MakeShortcut = Callable[[BlockSpec, int], nn.Module]
"""``(spec, outputs) -> shortcut``, a convolution and a batch norm."""


class BasicBlock(nn.Module):
    """Two convolutions next to a shortcut; ReLU after the sum.

    Args:
        conv1, conv2: the convolutions, from the block's input to ``width`` channels and on to ``width``.
        width: channels.
        downsample: the shortcut's convolution and batch norm, where it is not the identity.
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
    """A 1x1x1 convolution down to ``width``, one over space and time, and a 1x1x1 up to four times ``width``.

    Args:
        reduce, conv, expand: the three convolutions.
        width: channels of the middle one.
        downsample: the shortcut's convolution and batch norm, where it is not the identity.
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
        layers: blocks of each stage.
        make_block: makes each block.
        make_shortcut: makes the shortcuts that are not the identity: where the stride or the channels change.
        inputs: channels that the stem puts out.
        width: of the first stage; it doubles from stage to stage.
        expansion: output channels of a block over its width.
        strides: in space, of the first block of each stage.
        pools: pooling by where it is: 0 after the stem, n after the n-th stage.
    """

    def __init__(
        self,
        stem: nn.Module,
        layers: Sequence[int],
        make_block: MakeBlock,
        make_shortcut: MakeShortcut,
        *,
        inputs: int = 64,
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
            outputs, blocks = planes * expansion, []
            for position in range(count):
                spec = BlockSpec(stage, position, inputs, planes, first if position == 0 else 1)
                shortcut = None
                if spec.stride != 1 or inputs != outputs:
                    shortcut = make_shortcut(spec, outputs)
                blocks.append(make_block(spec, shortcut))
                inputs = outputs
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
            if stage + 1 in pools:
                self.add_module(f"pool{stage + 1}", pools[stage + 1])
        self.num_features = inputs
        self._start()

    def forward(self, x: Tensor) -> Tensor:
        for module in self._in_order():
            x = module(x)
        return x

    def blocks(self) -> list[tuple[str, nn.Module]]:
        """The residual blocks by name, in order."""
        stages = [f"layer{i + 1}" for i in range(self.stages)]
        return [(f"{stage}.{i}", block) for stage in stages for i, block in self.get_submodule(stage).named_children()]

    def temporal_paths(self) -> list[list[nn.Module]]:
        """See :func:`~spatempo.models.native.reach.temporal_extent`."""
        return [self._in_order()]

    def _in_order(self) -> list[nn.Module]:
        children = dict(self.named_children())
        names = ["stem", "pool", *(f"{kind}{i + 1}" for i in range(self.stages) for kind in ("layer", "pool"))]
        return [children[name] for name in names if name in children]

    def _start(self) -> None:
        """He's initialisation, as in the R(2+1)D authors' code and torchvision."""
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _with_shortcut(branch: list[nn.Module], shortcut: nn.Module | None) -> list[list[nn.Module]]:
    """The paths of a residual block; an identity shortcut adds none that reaches further."""
    return [branch] if shortcut is None else [branch, [shortcut]]
