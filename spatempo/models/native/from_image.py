"""Converts the weights of a 2D ResNet (torchvision's names) to those of a :class:`VideoResNet`.

The paper trains from scratch. ImageNet-pretrained weights help when there is little video. By type of convolution:

* 2D (1x3x3): the image kernel, unchanged.
* 3D: I3D's inflation. The kernel is repeated over time and divided by its temporal length, so that a still clip gives
  the image network's values where no zero padding is in reach.
* (2+1)D: there is a ReLU between space and time. The spatial part gets each filter w and, while there are mid channels
  left, its negative -w. The temporal part computes ``relu(w x) - relu(-w x) = w x`` from the current frame. At equal
  widths M is 2.25 times the output channels, so the result is exactly that of the image network (all blocks with 50,
  101 and 152 layers; in training mode too, because batch norm scales a filter and its negative equally). Where the
  width doubles, M is 1.8 times the output channels, so the last fifth of the filters has only its positive half. The
  stem's 45 channels contain the 22 strongest components of its 64 filters, with both signs.

The batch norm after a convolution is copied. The batch norm inside (2+1)D starts as the identity.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from spatempo.models.native.convs import Conv2Plus1D
from spatempo.models.native.video_resnet import VideoResNet

_LAYER = re.compile(r"(layer\d\.\d+)\.(?:(conv|bn)(\d)|(downsample\.\d))\.(\w+)$")


def is_image_resnet(weights: Mapping[str, Tensor]) -> bool:
    """Whether these are the weights of a 2D ResNet."""
    return "layer1.0.conv1.weight" in weights and weights["layer1.0.conv1.weight"].ndim == 4


def from_image(net: VideoResNet, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Converts image weights to the names of the video network. Weights that do not fit keep their names for errors."""
    converted: dict[str, Tensor] = {}
    stem = list(net.stem.children())
    stem_norm = len(stem) - 2  # the last two layers are the batch norm of the image network, and a ReLU
    for name, weight in weights.items():
        layer = _LAYER.match(name)
        if name == "conv1.weight":
            plain = stem_norm == 1
            tensors = _conv(stem[0], weight) if plain else _factorised(stem, weight)
            converted.update({f"stem.0.{k}" if plain else f"stem.{k}": v for k, v in tensors.items()} or {name: weight})
        elif name.startswith("bn1."):
            converted[f"stem.{stem_norm}.{name.removeprefix('bn1.')}"] = weight
        elif layer is not None:
            block, kind, number, shortcut, rest = layer.groups()
            if kind == "bn":
                converted[f"{block}.conv{number}.1.{rest}"] = weight
            elif shortcut is not None and weight.ndim != 4:
                converted[name] = weight
            else:
                at = f"{block}.{shortcut}" if shortcut else f"{block}.conv{number}.0"
                tensors = _conv(_find(net, at), weight)
                converted.update({f"{at}.{k}": v for k, v in tensors.items()} or {name: weight})
        elif not name.startswith("fc."):
            converted[name] = weight
    return converted


def _conv(module: nn.Module | None, weight: Tensor) -> dict[str, Tensor]:
    """Tensors by name in ``module``; empty if the kernel does not fit."""
    if isinstance(module, Conv2Plus1D):
        return _factorised(list(module.children()), weight)
    if not isinstance(module, nn.Conv3d):
        return {}
    t = module.kernel_size[0]
    inflated = weight.unsqueeze(2).repeat(1, 1, t, 1, 1) / t
    return {"weight": inflated} if inflated.shape == module.weight.shape else {}


def _factorised(layers: list[nn.Module], weight: Tensor) -> dict[str, Tensor]:
    space, norm, _, time = layers[:4]
    assert isinstance(space, nn.Conv3d)
    assert isinstance(norm, nn.BatchNorm3d)
    assert isinstance(time, nn.Conv3d)
    out_channels, mid = time.out_channels, space.out_channels
    if (out_channels, space.in_channels, *space.kernel_size[1:]) != tuple(weight.shape):
        return {}
    if mid >= out_channels:
        filters, mix = weight, torch.eye(out_channels, device=weight.device)
    else:
        u, s, v = torch.linalg.svd(weight.flatten(1), full_matrices=False)
        kept = mid // 2
        filters, mix = v[:kept].unflatten(1, weight.shape[1:]), u[:, :kept] * s[:kept]
    count = len(filters)
    negative = min(count, mid - count)  # number of filters whose negative fits too
    spatial, temporal = space.weight.detach().clone(), torch.zeros_like(time.weight)
    spatial[:count, :, 0] = filters
    spatial[count : count + negative, :, 0] = -filters[:negative]
    middle = time.kernel_size[0] // 2
    temporal[:, :count, middle, 0, 0] = mix
    temporal[:, count : count + negative, middle, 0, 0] = -mix[:, :negative]
    identity = nn.BatchNorm3d(mid, device=weight.device).state_dict()
    return {"0.weight": spatial, "3.weight": temporal, **{f"1.{k}": v for k, v in identity.items()}}


def _find(net: nn.Module, name: str) -> nn.Module | None:
    try:
        return net.get_submodule(name)
    except AttributeError:  # the image network is deeper
        return None
