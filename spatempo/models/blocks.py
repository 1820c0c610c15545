"""Sites: the places in a backbone where an operator can be placed.

In residual networks every block is a site, at the first convolution of its residual branch. In inverted-residual
networks only blocks with an identity shortcut are sites, at their expanding convolution (ten in MobileNetV2, as in
TSM). The tables below give the name of that convolution for the block classes of each library. They use full class
names because importing timm and torchvision takes seconds, and most models need only one of them or neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from torch import nn

from spatempo.errors import SpatempoError


class Site(NamedTuple):
    """A residual block in which an operator can be placed.

    Attributes:
        name: the block's name in the backbone, for example ``layer1.0``.
        block: the block.
        conv_name: name of the first convolution of its residual branch, for example ``layer1.0.conv1``.
        conv: that convolution.
        position: index among all residual blocks of its stage, from 0 (blocks that are not sites count too).
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
    """``name`` if that convolution has more output than input channels, else ``None`` (expansion factor 1)."""
    conv = block.get_submodule(name)
    assert isinstance(conv, nn.Conv2d)
    return name if conv.out_channels > conv.in_channels and conv.groups == 1 else None


# inverted residuals: block class -> (whether it has an identity shortcut, name of its expanding convolution or None)
_INVERTED: dict[str, tuple[Callable[[Any], bool], Callable[[Any], str | None]]] = {
    "torchvision.models.mobilenetv2.InvertedResidual": (
        lambda b: b.use_res_connect,
        # modules: expand, depthwise, project, norm; the first is missing if there is no expansion
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

# convolutions of the residual branch of ResNet blocks: two 3x3 in a basic block; 1x1, 3x3, 1x1 in a bottleneck
_RESNET: dict[str, tuple[str, ...]] = {
    "spatempo.models.backbones.smallresnet.BasicBlock": ("conv1", "conv2"),
    "torchvision.models.resnet.BasicBlock": ("conv1", "conv2"),
    "torchvision.models.resnet.Bottleneck": ("conv1", "conv2", "conv3"),
    "timm.models.resnet.BasicBlock": ("conv1", "conv2"),
    "timm.models.resnet.Bottleneck": ("conv1", "conv2", "conv3"),
}


def last_conv(block: nn.Module) -> nn.Conv2d | None:
    """The last convolution of the residual branch of a ResNet block; ``None`` for other blocks.

    It has as many output channels as the block.
    """
    names = _RESNET.get(full_name(type(block)))
    conv = block.get_submodule(names[-1]) if names else None
    return conv if isinstance(conv, nn.Conv2d) else None


# inverted residuals: block class -> the batch norm after the projecting convolution, the last module of the branch
_LAST_NORM: dict[str, str] = {
    "torchvision.models.mobilenetv2.InvertedResidual": "conv.3",
    "timm.models._efficientnet_blocks.InvertedResidual": "bn3",
}


def inverted_end(block: nn.Module) -> str | None:
    """Name of the last batch norm of an inverted residual block's branch; ``None`` for other blocks."""
    return _LAST_NORM.get(full_name(type(block)))


def require_resnet_block(site: Site, source: str, design: str) -> tuple[str, ...]:
    """Names of the convolutions in the residual branch of a ResNet block: two in a basic block, three in a bottleneck.

    Raises:
        SpatempoError: the block is neither; the message names it and suggests a backbone.
    """
    names = _RESNET.get(full_name(type(site.block)))
    if names is None:
        raise SpatempoError(
            f"{design} needs ResNet's basic or bottleneck blocks, but {site.name} of {source} is a "
            f"{type(site.block).__name__}: use a ResNet, for example {design}_resnet50"
        )
    return names


def require_sites(net: nn.Module, source: str) -> list[Site]:
    """The sites of a backbone.

    Raises:
        SpatempoError: it has none; the message names ``source`` and suggests other backbones.
    """
    sites = list(residual_sites(net))
    if not sites:
        raise SpatempoError(
            f"backbone {source} has no residual blocks in which an operator can be placed; use a ResNet, ResNeXt, "
            "RegNet, MobileNet, EfficientNet, ConvNeXt or another residual family"
        )
    return sites


def _refuse_subclass(name: str, block: nn.Module) -> None:
    """Raises an error for a subclass of a known block class, because its convolutions may differ."""
    for parent in type(block).__mro__[1:]:
        if full_name(parent) in _KNOWN:
            raise SpatempoError(
                f"{name} is a {type(block).__name__}, an unknown subclass of {parent.__name__}: use another backbone"
            )


def residual_sites(net: nn.Module) -> Iterator[Site]:
    """The sites of ``net`` in network order; empty if it has none."""
    seen: dict[str, int] = {}  # stage (the parent module of the blocks) -> residual blocks counted so far
    for name, block in net.named_modules():
        kind = full_name(type(block))
        conv_name = _RESIDUAL.get(kind)
        is_site = conv_name is not None
        if kind in _INVERTED:
            has_identity, expanding = _INVERTED[kind]
            conv_name = expanding(block)
            is_site = has_identity(block) and conv_name is not None
        elif not is_site:
            _refuse_subclass(name, block)
            continue
        stage = name.rpartition(".")[0]
        position = seen.get(stage, 0)
        seen[stage] = position + 1
        if is_site and conv_name is not None:
            yield Site(name, block, f"{name}.{conv_name}", block.get_submodule(conv_name), position)


def residual_blocks(net: nn.Module) -> list[tuple[str, nn.Module]]:
    """Names and modules of all residual blocks of known classes, whether or not they are sites."""
    return [(n, m) for n, m in net.named_modules() if full_name(type(m)) in _KNOWN]


def full_name(kind: type) -> str:
    """Module and qualified name of a class, as used in the tables."""
    return f"{kind.__module__}.{kind.__qualname__}"
