"""The layout of checkpoints of mit-han-lab/temporal-shift-module (TSN and TSM, ResNet and MobileNetV2).

Keys are those of a DataParallel ``TSN`` module: ``module.base_model.layer1.0.conv1.net.weight`` if a shift wraps the
convolution, else ``...conv1.weight``, and ``module.new_fc.*``. A non-local block wraps its residual block,
``layer2.0.block.*`` and ``layer2.0.nl.*``. It has 1x1x1 3D convolutions, which are converted to 2D. Temporal pooling
wraps the stage, ``layer2.net.0.*``.
MobileNetV2 has flat blocks (``conv.0`` .. ``conv.7``); those of torchvision are nested.
A network trained without dropout has no ``new_fc`` but the classifier of its base model: ``base_model.fc``, in
MobileNetV2 ``base_model.classifier``, in TSN's InceptionV3 ``base_model.top_cls_fc``.
"""

from __future__ import annotations

import re

from torch import Tensor

from spatempo.models.layout import Operators, WeightLayout, Weights
from spatempo.models.layouts.wrappers import operators_of
from spatempo.models.video_model import VideoModel

_NON_LOCAL = re.compile(r"(layer\d\.\d+)\.nl\.(theta|phi\.0|g\.0|W\.0|W\.1)\.")
_INSIDE = {"theta": "theta", "phi.0": "phi", "g.0": "g", "W.0": "out", "W.1": "bn"}
# position in the official flat block -> torchvision's name, with and without an expanding convolution
_EXPANDED = {"0": "0.0", "1": "0.1", "3": "1.0", "4": "1.1", "6": "2", "7": "3"}
_PLAIN = {"0": "0.0", "1": "0.1", "3": "1", "4": "2"}
_FLAT = re.compile(r"features\.(\d+)\.conv\.(\d)\.(\w+)$")
_CLASSIFIER = re.compile(r"(?:new_fc|base_model\.(?:fc|classifier|top_cls_fc))\.(weight|bias)$")
_INCEPTION = re.compile(r"(?:module\.)?base_model\.(?:inception|mixed)_")


def _matches(weights: Weights) -> bool:
    gated = any(n.endswith(".conv3D.weight") for n in weights)  # GSM's code has the same prefixes
    return not gated and any(n.removeprefix("module.").startswith("base_model.") for n in weights)


def _convert(weights: Weights, model: VideoModel) -> dict[str, Tensor]:
    """Renames keys, and converts 1x1x1 3D convolutions to 2D."""
    return {_rename(name): value.squeeze(2) if value.ndim == 5 else value for name, value in weights.items()}


def _operators(weights: Weights) -> Operators | None:
    """The operators; ``None`` for an Inception, in which shifts leave no trace in the keys."""
    return None if any(_INCEPTION.match(n) for n in weights) else operators_of(weights, _rename)


def nested_mobilenet(name: str) -> str:
    """Renames a key of a MobileNetV2 with flat blocks to torchvision's name; other keys are returned unchanged."""
    flat = _FLAT.match(name)
    if flat is None:
        return name
    block, position, rest = flat.groups()
    inside = (_PLAIN if block == "1" else _EXPANDED).get(position)
    return name if inside is None else f"features.{block}.conv.{inside}.{rest}"


def _rename(name: str) -> str:
    name = name.removeprefix("module.")
    classifier = _CLASSIFIER.match(name)
    if classifier:
        return f"head.fc.{classifier[1]}"
    name = name.removeprefix("base_model.").replace(".net.", ".")
    name = re.sub(r"(layer\d\.\d+)\.block\.", r"\1.", name)
    name = _NON_LOCAL.sub(lambda found: f"{found[1]}.temporal.{_INSIDE[found[2]]}.", name)
    return f"backbone.{nested_mobilenet(name)}"


LAYOUT = WeightLayout("mit-han-lab/temporal-shift-module", _matches, _convert, operators=_operators)
