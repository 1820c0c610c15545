"""The layouts of torchvision's and VMZ's video networks, and of 2D ResNets, for the networks of the R(2+1)D paper.

torchvision's keys (``r3d_18``, ``mc3_18``, ``r2plus1d_18``) are ``stem.*``, ``layerL.B.*`` and ``fc.*``. The backbone
has the same names, so only the head is renamed. VMZ's PyTorch port (facebookresearch/VMZ, and the conversions of
moabitcoin/ig65m-pytorch) has these keys too. It differs in the number of mid channels (computed per convolution: 288,
576 and 1152 in ``layer{2,3,4}.0.conv2``) and in the batch norm epsilon of 1e-3, which the keys do not show and
:func:`adopt_eps` sets. (Both repositories also set a momentum of 0.9, which corresponds to 0.1 in PyTorch.)
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
    """The rule for mid channels in R(2+1)D weights: ``"paper"``, ``"torchvision"``, or ``None`` if it is neither."""
    shapes = {k.removeprefix("module."): tuple(v.shape) for k, v in weights.items()}
    bottleneck = _is_bottleneck(weights)
    # two convolutions that have the same number of mid channels under only one of the two rules
    first, second = (
        ("layer1.0.conv2.0.0.weight", "layer1.1.conv2.0.0.weight")
        if bottleneck
        else ("layer2.0.conv1.0.0.weight", "layer2.0.conv2.0.0.weight")
    )
    if first not in shapes or second not in shapes:
        return None
    same = shapes[first][0] == shapes[second][0]
    return "paper" if same == bottleneck else "torchvision"


def adopt_eps(model: VideoModel, layout: str, options: Mapping[str, Any]) -> None:
    """Sets the batch norm epsilon that the weights were trained with, unless the user chose one.

    Args:
        model: the model, with its weights loaded.
        layout: name of the file's layout, or empty.
        options: options of a spatempo checkpoint, or empty.
    """
    needed = {VMZ.name: CAFFE2_EPS}.get(layout, options.get("bn_eps"))
    if model.options["bn_eps"] is None and needed is not None:
        if layout == VMZ.name:
            warnings.warn(
                f"{model.name}: the weights have VMZ's layout, so the batch norms' eps is set to {needed:g}, as in "
                f"VMZ; give bn_eps={TORCH_EPS:g} to keep torch's",
                stacklevel=4,
            )
        model.options = {**model.options, "bn_eps": needed}
        set_eps(model.backbone, model.options)


def _is_video_resnet(weights: Weights) -> bool:
    # image networks (timm's ConvNeXt) may have a stem.0 too, but not a 3D one
    return any(n.removeprefix("module.") == "stem.0.weight" and w.ndim == 5 for n, w in weights.items())


def _convert(weights: Weights, model: VideoModel) -> dict[str, Tensor]:
    return {_rename(name.removeprefix("module.")): tensor for name, tensor in weights.items()}


def _rename(name: str) -> str:
    return f"head.{name}" if name.startswith("fc.") else f"backbone.{name}"


def _check_midplanes(weights: Weights, model: VideoModel) -> None:
    needed, own = midplanes(weights), model.options.get("midplanes")
    if needed is not None and own is not None and needed != own:
        raise SpatempoError(f"the mid channels of the weights follow the rule {needed!r}: give midplanes={needed!r}")


def _note_vmz(weights: Weights, model: VideoModel) -> str | None:
    """A warning if the weights may need a max-pool after the stem, which the keys do not show."""
    if not _is_bottleneck(weights) or model.options.get("stem_pool", True):
        return None
    return (
        "VMZ's PyTorch port has a max-pool after the stem of its bottleneck networks (R(2+1)D-152), but this model has "
        "none: if the weights are from that port, create the model with stem_pool=True"
    )


def _is_bottleneck(weights: Weights) -> bool:
    return any(k.removeprefix("module.") == "layer1.0.conv3.0.weight" for k in weights)


def _convert_image(weights: Weights, model: VideoModel) -> dict[str, Tensor]:
    kernel = fit_kernel(weights["conv1.weight"], model.preprocess)
    assert isinstance(model.backbone, VideoResNet)
    converted = from_image(model.backbone, {**weights, "conv1.weight": kernel})
    return {f"backbone.{name}": value for name, value in converted.items()}


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
