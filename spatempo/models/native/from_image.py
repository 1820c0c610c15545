"""Weights of a 2D ResNet (torchvision's names) made into those of a :class:`VideoResNet`.

The paper trains from scratch; this is for those who have image weights and little video. By kind of convolution:

* 2D (1x3x3): the image's kernel, exactly;
* 3D: I3D's inflation, the kernel repeated along time and divided by its length, so that a still clip gives the image
  network's values wherever no zero frame is in reach;
* (2+1)D: a ReLU stands between space and time, so the spatial part holds every filter w and, as far as there are mid
  channels, -w, and the temporal part starts as ``relu(w x) - relu(-w x) = w x`` of its own frame alone. At equal widths
  M is 2.25 times the outputs and the convolution is the image's exactly (all blocks of the 50, 101 and 152 layers; in
  training mode too, as the norm between scales a filter and its negative alike). Where the width doubles, M is 1.8
  times, and the last fifth of the filters keep their positive half only. The stem's 45 channels hold the 22 strongest
  components of its 64 filters, with both signs.

The batch norm after a convolution is the image's; the one inside (2+1)D starts as the identity.
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
    """The video network's weights by its own names; what has no place comes back as it was, to be reported by name."""
    made: dict[str, Tensor] = {}
    stem = list(net.stem.children())
    stem_norm = len(stem) - 2  # the last two layers are the norm that the image has too, and a ReLU
    for name, weight in weights.items():
        layer = _LAYER.match(name)
        if name == "conv1.weight":
            plain = stem_norm == 1
            converted = _conv(stem[0], weight) if plain else _factorised(stem, weight)
            made.update({f"stem.0.{k}" if plain else f"stem.{k}": v for k, v in converted.items()} or {name: weight})
        elif name.startswith("bn1."):
            made[f"stem.{stem_norm}.{name.removeprefix('bn1.')}"] = weight
        elif layer is not None:
            block, kind, number, shortcut, rest = layer.groups()
            if kind == "bn":
                made[f"{block}.conv{number}.1.{rest}"] = weight
            elif shortcut is not None and weight.ndim != 4:
                made[name] = weight
            else:
                at = f"{block}.{shortcut}" if shortcut else f"{block}.conv{number}.0"
                converted = _conv(_find(net, at), weight)
                made.update({f"{at}.{k}": v for k, v in converted.items()} or {name: weight})
        elif not name.startswith("fc."):
            made[name] = weight
    return made


def _conv(module: nn.Module | None, weight: Tensor) -> dict[str, Tensor]:
    """Local names and tensors; empty where the kernel has no place in ``module``."""
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
    outputs, mid = time.out_channels, space.out_channels
    if (outputs, space.in_channels, *space.kernel_size[1:]) != tuple(weight.shape):
        return {}
    if mid >= outputs:
        filters, mix = weight, torch.eye(outputs, device=weight.device)
    else:
        u, s, v = torch.linalg.svd(weight.flatten(1), full_matrices=False)
        kept = mid // 2
        filters, mix = v[:kept].unflatten(1, weight.shape[1:]), u[:, :kept] * s[:kept]
    count = len(filters)
    negative = min(count, mid - count)  # as many as there is room for
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
