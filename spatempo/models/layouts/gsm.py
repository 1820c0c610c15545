"""The layout of checkpoints of swathikirans/GSM and swathikirans/GSF: BN-Inception, InceptionV3, and GSF's ResNets.

Keys are those of a DataParallel ``VideoModel``. In an Inception a gate is named after the convolution before it,
``module.base_model.gsm_inception_3a_1x1.conv3D.weight``. In a ResNet it is a part of its bottleneck,
``module.base_model.layer1.0.gsf.conv3D.weight``. The classifier is ``module.new_fc``, or that of the base model if the
network was trained without dropout. The backbone converts the Inceptions' input order from BGR to RGB.
"""

from __future__ import annotations

import re

from torch import Tensor

from spatempo.models.layout import Operators, WeightLayout, Weights
from spatempo.models.layouts.wrappers import operators_of
from spatempo.models.video_model import VideoModel

_AFTER_CONV = re.compile(r"gs[mf]_(\w+)\.(?=(?:bn|conv3D|channel_conv[12])\.)")
_IN_BOTTLENECK = re.compile(r"(layer\d\.\d+)\.gsf\.")
_CLASSIFIER = re.compile(r"(?:base_model\.(?:fc|top_cls_fc)|new_fc)\.(weight|bias)$")


def _matches(names: Weights) -> bool:
    return any(n.removeprefix("module.").startswith("base_model.") and n.endswith(".conv3D.weight") for n in names)


def _convert(weights: Weights, model: VideoModel) -> dict[str, Tensor]:
    return {_rename(name.removeprefix("module.")): tensor for name, tensor in weights.items()}


def _operators(names: Weights) -> Operators:
    return operators_of(names, lambda name: _rename(name.removeprefix("module.")))


def shuffle_note(weights: Weights, model: VideoModel) -> str | None:
    """A warning if the weights have gates and the model has no channel shuffle, which the keys do not show."""
    if model.options.get("shuffle") or not any(name.endswith(".conv3D.weight") for name in weights):
        return None
    return (
        "the authors' code shuffles channels after each gate, and its released weights need that: create the model "
        "with shuffle=True, unless the weights were trained with a version of the code without the shuffle"
    )


def _rename(name: str) -> str:
    classifier = _CLASSIFIER.match(name)
    if classifier:
        return f"head.fc.{classifier[1]}"
    name = name.removeprefix("base_model.")
    name = _IN_BOTTLENECK.sub(r"\1.conv3.temporal.", _AFTER_CONV.sub(r"\1.temporal.", name))
    return f"backbone.{name}"


LAYOUT = WeightLayout("swathikirans/GSM and GSF", _matches, _convert, operators=_operators, note=shuffle_note)
