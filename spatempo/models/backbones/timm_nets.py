"""timm's networks as backbones, through timm's interface: ``forward_features`` and ``forward_head``."""

from __future__ import annotations

import timm
from timm.models.resnet import ResNet
from torch import Tensor, nn

from spatempo.models.backbones.base import Backbone
from spatempo.models.chain import module_chain


def has_timm(name: str) -> bool:
    """Whether timm has a network of this name."""
    return timm.is_model(name)


def timm_names() -> list[str]:
    """The names of all networks of timm."""
    return timm.list_models()


def make_timm(name: str) -> Backbone:
    """Creates a network of timm with random weights."""
    net = timm.create_model(name, pretrained=False, num_classes=0)
    config = getattr(net, "pretrained_cfg", {})
    classifier = config.get("classifier") or ()
    prefixes = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    # if a network has a hidden layer before its classifier (MobileNetV3), that layer gives the features
    features: int = getattr(net, "head_hidden_size", 0) or getattr(net, "num_features", 0)
    links = module_chain(*_RESNET) if type(net) is ResNet else ()
    return Backbone(net, f"timm/{name}", features, _maps, _pool, tuple(f"{p}." for p in prefixes), links=links)


_RESNET = ("conv1", "bn1", "act1", "maxpool", "layer1", "layer2", "layer3", "layer4")


def _maps(net: nn.Module, x: Tensor) -> Tensor:
    return net.forward_features(x)  # pyright: ignore[reportCallIssue]


def _pool(net: nn.Module, maps: Tensor) -> Tensor:
    return net.forward_head(maps)  # pyright: ignore[reportCallIssue]
