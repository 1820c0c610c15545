"""The layout of mmaction2's TSN and TSM, ResNet and MobileNetV2 (mmaction2 0.x and 1.x).

Every convolution is a ``ConvModule`` (``conv``, ``bn``). A shift wraps the convolution (in MobileNetV2 the whole
module): ``backbone.layer1.0.conv1.conv.net.weight``. The head is ``cls_head.fc_cls``. In-place shifts wrap the block
and temporal pooling wraps the stage, as in the official code. The directions of the shift, mean and standard deviation
are those of the official code. Files with mmaction2's non-local blocks are not supported, because their keys do not
show which function computed the affinity.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from torch import Tensor

from spatempo.models.layout import Operators, WeightLayout, Weights
from spatempo.models.layouts.wrappers import operators_of
from spatempo.models.video_model import VideoModel

_RESNET = re.compile(r"(layer\d\.\d+\.)?(?:conv(\d)|downsample)\.(conv|bn)\.(\w+)$")
_MOBILENET = re.compile(r"layer(\d)\.(\d+)\.conv\.(\d)\.(conv|bn)\.(\w+)$")
_FIRST_FEATURE = {"1": 1, "2": 2, "3": 4, "4": 7, "5": 11, "6": 14, "7": 17}  # MobileNetV2 stage -> its first block
# modules of a MobileNetV2 block -> torchvision's names, with and without an expanding convolution
_EXPANDED = {"0": {"conv": "0.0", "bn": "0.1"}, "1": {"conv": "1.0", "bn": "1.1"}, "2": {"conv": "2", "bn": "3"}}
_PLAIN = {"0": {"conv": "0.0", "bn": "0.1"}, "1": {"conv": "1", "bn": "2"}}
_ENDS = {"conv1.conv": "0.0", "conv1.bn": "0.1", "conv2.conv": "18.0", "conv2.bn": "18.1"}


def _matches(weights: Weights) -> bool:
    return "backbone.conv1.conv.weight" in weights


def _convert(weights: Weights, model: VideoModel) -> dict[str, Tensor]:
    rename = _renamer(weights)
    return {rename(name): tensor for name, tensor in weights.items()}


def _operators(weights: Weights) -> Operators:
    return operators_of(weights, _renamer(weights))


def _renamer(names: Iterable[str]) -> Callable[[str], str]:
    inside = _mobilenet if "backbone.conv2.conv.weight" in names else _resnet
    return lambda name: _head(name) or f"backbone.{inside(_bare(name))}"


def _head(name: str) -> str | None:
    return "head.fc." + name.removeprefix("cls_head.fc_cls.") if name.startswith("cls_head.fc_cls.") else None


def _bare(name: str) -> str:
    return name.removeprefix("backbone.").replace(".net.", ".")


def _resnet(name: str) -> str:
    key = _RESNET.match(name)
    if key is None:
        return name  # reported as an unknown weight
    block, number, part, rest = key.groups()
    if number is None:
        return f"{block or ''}downsample.{'0' if part == 'conv' else '1'}.{rest}"
    return f"{block or ''}{part}{number}.{rest}"


def _mobilenet(name: str) -> str:
    end, _, rest = name.rpartition(".")
    if end in _ENDS:
        return f"features.{_ENDS[end]}.{rest}"
    key = _MOBILENET.match(name)
    if key is None:
        return name
    stage, block, module, part, rest = key.groups()
    table = _PLAIN if stage == "1" else _EXPANDED
    inside = table.get(module, {}).get(part)
    if inside is None or stage not in _FIRST_FEATURE:
        return name
    return f"features.{_FIRST_FEATURE[stage] + int(block)}.conv.{inside}.{rest}"


LAYOUT = WeightLayout("mmaction2's TSN and TSM", _matches, _convert, operators=_operators)
