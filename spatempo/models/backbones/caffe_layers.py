"""Base class of the two Inceptions with Caffe's layout: a network defined by a table of named layers.

In this layout every convolution has a bias although a batch norm follows, pooling rounds sizes up, and all layers are
direct children of the network under their published names. Blocks are therefore not modules. A table lists the layers
of each block, and :class:`CaffeNet` builds and runs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spatempo.errors import SpatempoError
from spatempo.inputs.modality import Modality
from spatempo.models.chain import Link


class Conv(NamedTuple):
    """A convolution with its batch norm and ReLU."""

    name: str
    channels: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    padding: tuple[int, int] = (0, 0)


class Pool(NamedTuple):
    """A 3x3 pooling; mean pooling includes the zeros of the padding."""

    name: str
    kind: str
    stride: int = 2
    padding: int = 0


class Fork(NamedTuple):
    """Parallel branches, whose channels are concatenated in this order."""

    branches: tuple[tuple[Conv | Pool | Fork, ...], ...]
    name: str = ""
    """Name of the module that concatenates the maps, if the fork is a block of the network. It can have hooks."""


class Join(nn.Module):
    """Concatenates maps along the channel axis."""

    def forward(self, maps: list[Tensor]) -> Tensor:
        return torch.cat(maps, 1)


class CaffeNet(nn.Module):
    """Images ``[N, 3, H, W]`` to maps ``[N, num_features, H', W']``.

    A subclass defines the table, the names of the two modules of a convolution, and the supported image sizes. Only
    some sizes are supported, because blocks with stride 2 have convolutions in parallel with a pooling that rounds up,
    and the maps of all branches must have the same size.
    """

    layers: ClassVar[tuple[Conv | Pool | Fork, ...]]
    conv_name: ClassVar[str] = "{}"
    norm_name: ClassVar[str]
    image_size: ClassVar[int] = 224
    first_size: ClassVar[int]
    """Supported image sides are ``first_size + n + 32 * m`` for n from 0 to 7 and m from 0."""

    def __init__(self) -> None:
        super().__init__()
        self.num_features = self._add(self.layers, 3)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # as in SmallResNet
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    @property
    def block_names(self) -> list[str]:
        """Names of the modules whose outputs are the maps of the blocks, in order."""
        return [name for name, module in self.named_children() if isinstance(module, Join)]

    def chain(self) -> tuple[Link, ...]:
        """The network as a chain with one link per layer or block."""
        names = [layer.name.removesuffix("_output").removesuffix("_join") for layer in self.layers]
        runs = [_RunLayers((layer,)) for layer in self.layers]
        modules = [tuple(self._modules_of((layer,))) for layer in self.layers]
        return tuple(Link(*each) for each in zip(names, runs, modules, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        for side in x.shape[2:]:
            if side < self.first_size or (side - self.first_size) % 32 > 7:
                sizes = [f"{s} to {s + 7}" for s in range(self.first_size, self.first_size + 320, 32)]
                raise SpatempoError(
                    f"{type(self).__name__} supports images with sides of {', '.join(sizes)}, ... pixels, for which "
                    f"all of its branches have maps of the same size, and got {side}"
                )
        return self._run(self.layers, x)

    def _add(self, layers: tuple[Conv | Pool | Fork, ...], channels: int) -> int:
        """Adds the modules of layers with ``channels`` input channels; returns the number of output channels."""
        for layer in layers:
            if isinstance(layer, Fork):
                channels = sum(self._add(branch, channels) for branch in layer.branches)
                if layer.name:
                    self.add_module(layer.name, Join())
            elif isinstance(layer, Pool):
                kind = nn.MaxPool2d if layer.kind == "max" else nn.AvgPool2d
                self.add_module(layer.name, kind(3, layer.stride, layer.padding, ceil_mode=True))
            else:
                conv = nn.Conv2d(channels, layer.channels, layer.kernel, layer.stride, layer.padding)
                self.add_module(self.conv_name.format(layer.name), conv)
                self.add_module(self.norm_name.format(layer.name), nn.BatchNorm2d(layer.channels))
                channels = layer.channels
        return channels

    def _modules_of(self, layers: tuple[Conv | Pool | Fork, ...]) -> Iterator[str]:
        """The names of the modules of layers."""
        for layer in layers:
            if isinstance(layer, Fork):
                for branch in layer.branches:
                    yield from self._modules_of(branch)
                if layer.name:
                    yield layer.name
            elif isinstance(layer, Pool):
                yield layer.name
            else:
                yield from (self.conv_name.format(layer.name), self.norm_name.format(layer.name))

    def _run(self, layers: tuple[Conv | Pool | Fork, ...], x: Tensor) -> Tensor:
        for layer in layers:
            if isinstance(layer, Fork):
                maps = [self._run(branch, x) for branch in layer.branches]
                x = self.get_submodule(layer.name)(maps) if layer.name else torch.cat(maps, 1)
            elif isinstance(layer, Pool):
                x = self.get_submodule(layer.name)(x)
            else:
                x = self.get_submodule(self.conv_name.format(layer.name))(x)
                x = F.relu(self.get_submodule(self.norm_name.format(layer.name))(x))
        return x


class _RunLayers(NamedTuple):
    """Runs some layers of a network: a link of its chain."""

    layers: tuple[Conv | Pool | Fork, ...]

    def __call__(self, net: nn.Module, x: Tensor) -> Tensor:
        assert isinstance(net, CaffeNet)
        return net._run(self.layers, x)


# Both networks' published weights expect BGR images in 0 .. 255 minus a mean, not scaled. These are the same values for
# RGB images in 0 .. 1; rgb_weights changes the order of channels.
CAFFE_MEAN = (128 / 255, 117 / 255, 104 / 255)
CAFFE_STD = (1 / 255, 1 / 255, 1 / 255)


def rgb_weights(weights: dict[str, Tensor], modality: Modality, *, first: str) -> dict[str, Tensor]:
    """Converts published weights from BGR to RGB input; weights of spatempo checkpoints are not changed.

    Batch norms that a file stores as ``[1, C]`` become ``[C]``.

    Args:
        weights: weights of a file, in any layout whose keys end with the published names.
        modality: modality of the model. The code of TSN, TSM and GSM reverses the channels of each image, so
            differences of images are BGR too (``transforms.Stack(roll=True)``). Flow has no colours and is not
            reversed.
        first: name of the first convolution.
    """
    if any(name.startswith("backbone.") for name in weights):
        return weights
    return {name: _rgb_weight(name, value, modality, first) for name, value in weights.items()}


def _rgb_weight(name: str, value: Tensor, modality: Modality, first: str) -> Tensor:
    if f".{name}".endswith(f".{first}.weight"):
        images = value.shape[1] == 3 or (modality.colors and value.shape[1] % 3 == 0)
        return value.unflatten(1, (-1, 3)).flip(2).flatten(1, 2) if images else value
    of_norm = value.ndim == 2 and value.shape[0] == 1 and "fc" not in name
    return value.squeeze(0) if of_norm else value
