"""torchvision's networks as backbones, without their last linear layer."""

from __future__ import annotations

import torch
import torch.nn.functional as F
import torchvision.models as tv
from torch import Tensor, nn

from spatempo.errors import SpatempoError
from spatempo.models.backbones.base import Backbone, mean_pool
from spatempo.models.chain import module_chain


def torchvision_names() -> list[str]:
    """The names of all image networks of torchvision."""
    return tv.list_models(module=tv)


def make_torchvision(name: str) -> Backbone:
    """Creates a network of torchvision with random weights.

    Raises:
        SpatempoError: its family has no blocks in which an operator can be placed.
    """
    device = torch.get_default_device()
    # RegNet computes its widths with tensors, which need values even if the network is created on the meta device
    with torch.device("cpu" if name.startswith("regnet") else device):
        net = tv.get_model(name, weights=None).to(device)
    kind = type(net)
    if isinstance(net, tv.ResNet | tv.RegNet):
        features = net.fc.in_features
        net.fc = nn.Identity()  # pyright: ignore[reportAttributeAccessIssue]
        maps = _resnet_maps if kind is tv.ResNet else _regnet_maps
        links = module_chain(*(_RESNET if kind is tv.ResNet else _REGNET))
        return Backbone(net, f"torchvision/{name}", features, maps, mean_pool, ("fc.",), links=links)
    maps = {
        tv.MobileNetV2: _features_maps,
        tv.MobileNetV3: _features_maps,
        tv.EfficientNet: _features_maps,
        tv.ConvNeXt: _features_maps,
        tv.MNASNet: _layers_maps,
    }.get(kind)
    if maps is None:
        raise SpatempoError(
            f"backbone torchvision/{name}: the {kind.__name__} family has no blocks in which an operator can be "
            "placed; use a ResNet, ResNeXt, RegNet, MobileNet, EfficientNet, ConvNeXt or MNASNet, or one of timm's"
        )
    tail = list(net.get_submodule("classifier").children())
    last = tail[-1]
    assert isinstance(last, nn.Linear)
    # the video model's head applies dropout before the classifier
    kept = tail[: -2 if isinstance(tail[-2], nn.Dropout) else -1]
    net.classifier = nn.Sequential(*kept)
    prefix = f"classifier.{len(tail) - 1}."
    links = module_chain("layers" if kind is tv.MNASNet else "features")
    return Backbone(net, f"torchvision/{name}", last.in_features, maps, _tail_pool, (prefix,), links=links)


_RESNET = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
_REGNET = ("stem", "trunk_output")


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
