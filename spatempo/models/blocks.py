"""Where in a backbone an operator goes: its residual blocks, and the first convolution of their residual branch.

The rule, stated once: in residual families every block, at the first convolution of its residual branch; in
inverted-residual families the expanding convolution of the blocks whose shortcut is the identity (TSM's ten of
MobileNetV2). The tables below say where the blocks of each library have that convolution. They name block classes by
their full names: importing timm and torchvision takes seconds, and most models need one of them or neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from torch import nn

from spatempo.errors import SpatempoError


class Site(NamedTuple):
    """A residual block that an operator can serve.

    Attributes:
        name: the block's name in the backbone, for example ``layer1.0``.
        block: the block.
        conv_name: the first convolution of its residual branch, for example ``layer1.0.conv1``.
        conv: that convolution.
        position: which of its stage's residual blocks it is, from 0 (every one counted, served or not).
    """

    name: str
    block: nn.Module
    conv_name: str
    conv: nn.Module
    position: int


# full name of the block class -> name of the first convolution of its residual branch
_RESIDUAL: dict[str, str] = {
    "spatempo.models.backbones.smallresnet.BasicBlock": "conv1",
    "torchvision.models.resnet.BasicBlock": "conv1",
    "torchvision.models.resnet.Bottleneck": "conv1",
    "torchvision.models.regnet.ResBottleneckBlock": "f.a.0",
    "torchvision.models.convnext.CNBlock": "block.0",
    "timm.models.resnet.BasicBlock": "conv1",
    "timm.models.resnet.Bottleneck": "conv1",
    "timm.models.res2net.Bottle2neck": "conv1",
    "timm.models.resnest.ResNestBottleneck": "conv1",
    "timm.models.regnet.Bottleneck": "conv1.conv",
    "timm.models.regnet.PreBottleneck": "conv1",
    "timm.models.resnetv2.PreActBasic": "conv1",
    "timm.models.resnetv2.PreActBottleneck": "conv1",
    "timm.models.resnetv2.Bottleneck": "conv1",
    "timm.models.convnext.ConvNeXtBlock": "conv_dw",
    "timm.models.edgenext.ConvBlock": "conv_dw",
    "timm.models.cspnet.DarkBlock": "conv1.conv",
    "timm.models.nfnet.NormFreeBlock": "conv1",
    "timm.models.byobnet.BasicBlock": "conv1_kxk.conv",
    "timm.models.byobnet.BottleneckBlock": "conv1_1x1.conv",
}


def _expanding(name: str, block: nn.Module) -> str | None:
    """``name`` if that convolution widens its input, as an inverted residual's first one does unless expansion is 1."""
    conv = block.get_submodule(name)
    assert isinstance(conv, nn.Conv2d)
    return name if conv.out_channels > conv.in_channels and conv.groups == 1 else None


# inverted residuals: block class -> (has it an identity shortcut?, name of its expanding convolution or None)
_INVERTED: dict[str, tuple[Callable[[Any], bool], Callable[[Any], str | None]]] = {
    "torchvision.models.mobilenetv2.InvertedResidual": (
        lambda b: b.use_res_connect,
        # features: expand, depthwise, project, norm; without expansion the first is missing
        lambda b: "conv.0.0" if len(b.conv) == 4 else None,
    ),
    "torchvision.models.mobilenetv3.InvertedResidual": (lambda b: b.use_res_connect, partial(_expanding, "block.0.0")),
    "torchvision.models.efficientnet.MBConv": (lambda b: b.use_res_connect, partial(_expanding, "block.0.0")),
    "torchvision.models.efficientnet.FusedMBConv": (lambda b: b.use_res_connect, partial(_expanding, "block.0.0")),
    "torchvision.models.mnasnet._InvertedResidual": (lambda b: b.apply_residual, partial(_expanding, "layers.0")),
    "timm.models._efficientnet_blocks.InvertedResidual": (lambda b: b.has_skip, partial(_expanding, "conv_pw")),
    "timm.models._efficientnet_blocks.EdgeResidual": (lambda b: b.has_skip, partial(_expanding, "conv_exp")),
    "timm.models._efficientnet_blocks.UniversalInvertedResidual": (
        lambda b: b.has_skip,
        partial(_expanding, "pw_exp.conv"),
    ),
    "timm.models.rexnet.LinearBottleneck": (
        lambda b: b.use_shortcut,
        lambda b: _expanding("conv_exp.conv", b) if b.conv_exp is not None else None,
    ),
}

_KNOWN = frozenset((*_RESIDUAL, *_INVERTED))

# convolutions of the residual branch of ResNet's blocks: a basic block has two 3x3, a bottleneck a 3x3 between two 1x1
_RESNET: dict[str, tuple[str, ...]] = {
    "spatempo.models.backbones.smallresnet.BasicBlock": ("conv1", "conv2"),
    "torchvision.models.resnet.BasicBlock": ("conv1", "conv2"),
    "torchvision.models.resnet.Bottleneck": ("conv1", "conv2", "conv3"),
    "timm.models.resnet.BasicBlock": ("conv1", "conv2"),
    "timm.models.resnet.Bottleneck": ("conv1", "conv2", "conv3"),
}


def last_conv(block: nn.Module) -> nn.Conv2d | None:
    """The last convolution of a ResNet block's residual branch, as wide as the block's output; else ``None``."""
    names = _RESNET.get(full_name(type(block)))
    conv = block.get_submodule(names[-1]) if names else None
    return conv if isinstance(conv, nn.Conv2d) else None


# inverted residuals: block class -> the batch norm behind the convolution that narrows again, where the branch ends
_LAST_NORM: dict[str, str] = {
    "torchvision.models.mobilenetv2.InvertedResidual": "conv.3",
    "timm.models._efficientnet_blocks.InvertedResidual": "bn3",
}


def inverted_end(block: nn.Module) -> str | None:
    """The name of the batch norm that ends an inverted residual's branch; ``None`` for other blocks."""
    return _LAST_NORM.get(full_name(type(block)))


def require_resnet_block(site: Site, source: str, design: str) -> tuple[str, ...]:
    """The names of the convolutions of a ResNet block's residual branch: two of a basic block, three of a bottleneck.

    Raises:
        SpatempoError: the block is neither, naming it and what to take instead.
    """
    names = _RESNET.get(full_name(type(site.block)))
    if names is None:
        raise SpatempoError(
            f"{design} is for ResNet's basic and bottleneck blocks, and {site.name} of {source} is a "
            f"{type(site.block).__name__}: take a ResNet, for example {design}_resnet50"
        )
    return names


def require_sites(net: nn.Module, source: str) -> list[Site]:
    """The sites of a backbone, which must have some.

    Raises:
        SpatempoError: it has none, naming ``source`` and what to take instead.
    """
    sites = list(residual_sites(net))
    if not sites:
        raise SpatempoError(
            f"backbone {source} has no residual blocks that an operator can serve; take a ResNet, ResNeXt, RegNet, "
            "MobileNet, EfficientNet, ConvNeXt or another residual family"
        )
    return sites


def _refuse_relative(name: str, block: nn.Module) -> None:
    """A block that only descends from a known one may keep its convolutions elsewhere, and must not be passed over."""
    for parent in type(block).__mro__[1:]:
        if full_name(parent) in _KNOWN:
            raise SpatempoError(
                f"{name} is a {type(block).__name__}, a kind of {parent.__name__} whose first convolution is not known"
            )


def residual_sites(net: nn.Module) -> Iterator[Site]:
    """The blocks of ``net`` that an operator can serve, in the order of the network; none if it has no such blocks."""
    seen: dict[str, int] = {}  # stage (the blocks' container) -> residual blocks counted so far
    for name, block in net.named_modules():
        kind = full_name(type(block))
        conv_name = _RESIDUAL.get(kind)
        served = conv_name is not None
        if kind in _INVERTED:
            has_identity, expanding = _INVERTED[kind]
            conv_name = expanding(block)
            served = has_identity(block) and conv_name is not None
        elif not served:
            _refuse_relative(name, block)
            continue
        stage = name.rpartition(".")[0]
        position = seen.get(stage, 0)
        seen[stage] = position + 1
        if served and conv_name is not None:
            yield Site(name, block, f"{name}.{conv_name}", block.get_submodule(conv_name), position)


def residual_blocks(net: nn.Module) -> list[tuple[str, nn.Module]]:
    """Every residual block of the known families, served by an operator or not."""
    return [(n, m) for n, m in net.named_modules() if full_name(type(m)) in _KNOWN]


def full_name(kind: type) -> str:
    """Module and name of a class, as the tables have it."""
    return f"{kind.__module__}.{kind.__qualname__}"
