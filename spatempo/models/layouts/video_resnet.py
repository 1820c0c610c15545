"""The layouts of torchvision's and VMZ's video networks, and 2D ResNets, for the networks of the R(2+1)D paper.

torchvision's keys (``r3d_18``, ``mc3_18``, ``r2plus1d_18``) are ``stem.*``, ``layerL.B.*`` and ``fc.*``; the backbone
here has the same names, so only the head moves. VMZ's PyTorch port (facebookresearch/VMZ, and the conversions of
moabitcoin/ig65m-pytorch) has these keys too. What differs is the number of mid channels (by convolution: 288, 576
and 1152 in ``layer{2,3,4}.0.conv2``) and, which no key tells, the epsilon 1e-3 of every batch norm, which
:func:`settle_eps` sets. (Both repositories also set a momentum of 0.9, which is Caffe2's way to say 0.1.)
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from spatempo.errors import SpatempoError
from spatempo.inputs.spec import IMAGENET_MEAN, IMAGENET_STD
from spatempo.models.first_conv import fit_kernel
from spatempo.models.layout import WeightLayout, Weights
from spatempo.models.layouts import mmaction_r2plus1d
from spatempo.models.native.from_image import from_image, is_image_resnet
from spatempo.models.native.r2plus1d import CAFFE2_EPS, TORCH_EPS, set_eps
from spatempo.models.native.video_resnet import VideoResNet
from spatempo.models.video_model import VideoModel


def midplanes(weights: Weights) -> str | None:
    """The rule that the mid channels of R(2+1)D weights follow: ``paper``, ``torchvision``, or ``None`` for neither."""
    shapes = {k.removeprefix("module."): tuple(v.shape) for k, v in weights.items()}
    bottleneck = _is_bottleneck(weights)
    # two convolutions whose mid channels are the same by one of the two rules only
    first, second = (
        ("layer1.0.conv2.0.0.weight", "layer1.1.conv2.0.0.weight")
        if bottleneck
        else ("layer2.0.conv1.0.0.weight", "layer2.0.conv2.0.0.weight")
    )
    if first not in shapes or second not in shapes:
        return None
    same = shapes[first][0] == shapes[second][0]
    return "paper" if same == bottleneck else "torchvision"


def settle_eps(model: VideoModel, layout: str, options: Mapping[str, Any]) -> None:
    """Takes over the batch norm epsilon that weights were trained with, unless the user chose one.

    Args:
        model: with the weights.
        layout: name of the file's layout, or empty.
        options: of a checkpoint of ours, else empty.
    """
    needed = {VMZ.name: CAFFE2_EPS}.get(layout, options.get("bn_eps"))
    if model.options["bn_eps"] is None and needed is not None:
        if layout == VMZ.name:
            warnings.warn(
                f"{model.name}: the weights have the layout of VMZ's, so batch norm's eps is set to {needed:g} as "
                f"there; bn_eps={TORCH_EPS:g} keeps torch's",
                stacklevel=4,
            )
        model.options = {**model.options, "bn_eps": needed}
        set_eps(model.backbone, model.options)


def _is_video_resnet(weights: Weights) -> bool:
    # image networks (timm's ConvNeXt) may have a stem.0 as well, but not along time
    return any(n.removeprefix("module.") == "stem.0.weight" and w.ndim == 5 for n, w in weights.items())


def _convert(weights: Weights, model: VideoModel) -> dict[str, Tensor]:
    return {_rename(name.removeprefix("module.")): tensor for name, tensor in weights.items()}


def _rename(name: str) -> str:
    return f"head.{name}" if name.startswith("fc.") else f"backbone.{name}"


def _check_midplanes(weights: Weights, model: VideoModel) -> None:
    needed, own = midplanes(weights), model.options.get("midplanes")
    if needed is not None and own is not None and needed != own:
        raise SpatempoError(f"the weights have the mid channels of {needed}'s rule: give midplanes={needed!r}")


def _note_vmz(weights: Weights, model: VideoModel) -> str | None:
    """Whether there is a max-pool after the stem, no key tells."""
    if not _is_bottleneck(weights) or model.options.get("stem_pool", True):
        return None
    return (
        "VMZ's PyTorch port has a max-pool after the stem of its bottleneck networks (R(2+1)D-152) and this model has "
        "none: create it with stem_pool=True if the weights are the port's, as they need it"
    )


def _is_bottleneck(weights: Weights) -> bool:
    return any(k.removeprefix("module.") == "layer1.0.conv3.0.weight" for k in weights)


def _convert_image(weights: Weights, model: VideoModel) -> dict[str, Tensor]:
    kernel = fit_kernel(weights["conv1.weight"], model.preprocess)
    assert isinstance(model.backbone, VideoResNet)
    made = from_image(model.backbone, {**weights, "conv1.weight": kernel})
    return {f"backbone.{name}": value for name, value in made.items()}


VMZ = WeightLayout(
    "VMZ",
    lambda weights: _is_video_resnet(weights) and midplanes(weights) == "paper",
    _convert,
    check=_check_midplanes,
    note=_note_vmz,
)
TORCHVISION = WeightLayout(
    "torchvision",
    lambda weights: _is_video_resnet(weights) and midplanes(weights) != "paper",
    _convert,
    check=_check_midplanes,
)
IMAGE = WeightLayout("2D ResNet", is_image_resnet, _convert_image, image=True, statistics=(IMAGENET_MEAN, IMAGENET_STD))
LAYOUTS = (mmaction_r2plus1d.LAYOUT, VMZ, TORCHVISION, IMAGE)
