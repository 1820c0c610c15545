"""2D backbones: ours, torchvision's and timm's, seen through one small interface.

A backbone here is the library's own network, unchanged but for its last linear layer, so every other parameter keeps
its name; beside it stand three plain facts: how to get its maps, how to pool them, and which weights belonged to the
classifier that was taken off.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import timm
import torch
import torch.nn.functional as F
import torchvision.models as tv
from torch import Tensor, nn

from spatempo.errors import SpatempoError
from spatempo.models.backbones.bninception import BNInception
from spatempo.models.backbones.caffe_layers import CAFFE_MEAN, CAFFE_STD, CaffeNet, rgb_weights
from spatempo.models.backbones.inception_v3 import InceptionV3
from spatempo.models.backbones.smallresnet import SmallResNet

# Short names of the field for what the libraries spell out.
ALIASES = {"resnext50": "resnext50_32x4d", "resnext101": "resnext101_32x8d", "wide_resnet50": "wide_resnet50_2"}
OURS: dict[str, Callable[[], nn.Module]] = {
    "smallresnet": SmallResNet,
    "bninception": BNInception,
    "inception_v3": InceptionV3,
}


@dataclass
class Backbone:
    """A 2D network without its classifier.

    Attributes:
        net: the network; its parameters have the names of the library it comes from.
        source: ``spatempo/NAME``, ``torchvision/NAME`` or ``timm/NAME``.
        features: channels of the pooled feature that the classifier got.
        maps: ``(net, images [N, 3, H, W]) -> [N, C', H', W']``.
        pool: ``(net, maps) -> [N, features]``.
        classifier: prefixes of the weights that were taken off, for example ``("fc.",)``.
        preprocess: what the network was made for where that is not ImageNet's usual, as fields of ``Preprocess``.
        adapt: ``(weights, modality)`` makes a weight file of the published form into one of the network's, where they
            differ.
    """

    net: nn.Module
    source: str
    features: int
    maps: Callable[[nn.Module, Tensor], Tensor]
    pool: Callable[[nn.Module, Tensor], Tensor]
    classifier: tuple[str, ...]
    preprocess: dict[str, Any] = field(default_factory=dict)
    adapt: Callable[[dict[str, Tensor], str], dict[str, Tensor]] | None = None


def make_backbone(name: str) -> Backbone:
    """Builds a backbone with random weights.

    Args:
        name: ours, else torchvision's, else timm's; ``torchvision/NAME`` and ``timm/NAME`` choose explicitly.

    Raises:
        SpatempoError: no library has it, or it is of a torchvision family that is not known here.
    """
    library, _, short = name.rpartition("/")
    short = ALIASES.get(short, short)
    if library not in ("", "spatempo", "torchvision", "timm"):
        raise SpatempoError(f"backbone {name!r}: {library!r} is not a library; write timm/NAME or torchvision/NAME")
    if library in ("", "spatempo") and short in OURS:
        return _ours(short)
    if library in ("", "torchvision") and short in tv.list_models(module=tv):
        return _torchvision(short)
    if library in ("", "timm") and timm.is_model(short):
        return _timm(short)
    near = difflib.get_close_matches(short, (*OURS, *tv.list_models(module=tv), *timm.list_models()), 3)
    hint = f"did you mean {', '.join(near)}?" if near else "see `spatempo models`"
    raise SpatempoError(f"backbone {name!r} is unknown to {library or 'spatempo, torchvision and timm'}: {hint}")


# --- ours: modules that give maps ------------------------------------------------------------------------------------


def _ours(name: str) -> Backbone:
    net = OURS[name]()
    base = Backbone(net, f"spatempo/{name}", int(getattr(net, "num_features", 0)), _call, _mean_pool, ("fc.",))
    if isinstance(net, CaffeNet):
        base.classifier = ("fc.", "top_cls_fc.", "last_linear.")  # TSN's, its InceptionV3's, Cadene's
        base.preprocess = {"size": net.image_size, "mean": CAFFE_MEAN, "std": CAFFE_STD}
        base.adapt = partial(rgb_weights, first=next(name for name, _ in net.named_children()))
    return base


def _call(net: nn.Module, x: Tensor) -> Tensor:
    return net(x)


def _mean_pool(net: nn.Module, maps: Tensor) -> Tensor:
    return maps.mean((2, 3))


# --- timm: forward_features and forward_head are its contract --------------------------------------------------------


def _timm(name: str) -> Backbone:
    net = timm.create_model(name, pretrained=False, num_classes=0)
    config = getattr(net, "pretrained_cfg", {})
    classifier = config.get("classifier") or ()
    prefixes = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    # where a network has a hidden layer before its classifier (MobileNetV3), that is what the classifier gets
    features: int = getattr(net, "head_hidden_size", 0) or getattr(net, "num_features", 0)
    return Backbone(net, f"timm/{name}", features, _timm_maps, _timm_pool, tuple(f"{p}." for p in prefixes))


def _timm_maps(net: nn.Module, x: Tensor) -> Tensor:
    return net.forward_features(x)  # pyright: ignore[reportCallIssue]


def _timm_pool(net: nn.Module, maps: Tensor) -> Tensor:
    return net.forward_head(maps)  # pyright: ignore[reportCallIssue]


# --- torchvision: a network is maps, average pooling and a tail whose last linear layer is the classifier ------------


def _torchvision(name: str) -> Backbone:
    where = torch.get_default_device()
    # RegNet works out its widths with tensors, which must hold numbers even when the network is made on the meta device
    with torch.device("cpu" if name.startswith("regnet") else where):
        net = tv.get_model(name, weights=None).to(where)
    kind = type(net)
    if isinstance(net, tv.ResNet | tv.RegNet):
        features = net.fc.in_features
        net.fc = nn.Identity()  # pyright: ignore[reportAttributeAccessIssue]
        maps = _resnet_maps if kind is tv.ResNet else _regnet_maps
        return Backbone(net, f"torchvision/{name}", features, maps, _mean_pool, ("fc.",))
    maps = {
        tv.MobileNetV2: _features_maps,
        tv.MobileNetV3: _features_maps,
        tv.EfficientNet: _features_maps,
        tv.ConvNeXt: _features_maps,
        tv.MNASNet: _layers_maps,
    }.get(kind)
    if maps is None:
        raise SpatempoError(
            f"backbone torchvision/{name}: the {kind.__name__} family has no blocks that an operator can serve; "
            "take a ResNet, ResNeXt, RegNet, MobileNet, EfficientNet, ConvNeXt or MNASNet, or one of timm's"
        )
    tail = list(net.get_submodule("classifier").children())
    last = tail[-1]
    assert isinstance(last, nn.Linear)
    # dropout before the classifier is the video head's to do
    kept = tail[: -2 if isinstance(tail[-2], nn.Dropout) else -1]
    net.classifier = nn.Sequential(*kept)
    prefix = f"classifier.{len(tail) - 1}."
    return Backbone(net, f"torchvision/{name}", last.in_features, maps, _tail_pool, (prefix,))


def _resnet_maps(net: nn.Module, x: Tensor) -> Tensor:
    assert isinstance(net, tv.ResNet)
    x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
    return net.layer4(net.layer3(net.layer2(net.layer1(x))))


def _regnet_maps(net: nn.Module, x: Tensor) -> Tensor:
    assert isinstance(net, tv.RegNet)
    return net.trunk_output(net.stem(x))


def _features_maps(net: nn.Module, x: Tensor) -> Tensor:
    return net.features(x)  # pyright: ignore[reportCallIssue]


def _layers_maps(net: nn.Module, x: Tensor) -> Tensor:
    return net.layers(x)  # pyright: ignore[reportCallIssue]


def _tail_pool(net: nn.Module, maps: Tensor) -> Tensor:
    tail = net.classifier
    assert isinstance(tail, nn.Sequential)
    x = F.adaptive_avg_pool2d(maps, 1)
    if not any(isinstance(m, nn.Flatten) for m in tail):
        return tail(x.flatten(1))
    return tail(x)  # ConvNeXt normalises the [N, C, 1, 1] mean before it flattens


def image_classifier_weights(backbone: Backbone, names: list[str]) -> list[str]:
    """Which of ``names`` belong to the image classifier that the backbone no longer has."""
    return [n for n in names if n.startswith(backbone.classifier)]
