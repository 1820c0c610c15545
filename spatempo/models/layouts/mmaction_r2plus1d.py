"""The layout of mmaction2's R(2+1)D-34 (``ResNet2Plus1d``), for ``r2plus1d_34`` with ``form="mmaction2"``.

Every convolution, including the 1x1x1 of the shortcuts, is a ``ConvModule`` (``conv``, ``bn``) that contains a
``Conv2plus1d`` (``conv_s``, ``bn_s``, ``conv_t``). The head is ``cls_head.fc_cls``.
"""

from __future__ import annotations

import re

from torch import Tensor

from spatempo.errors import SpatempoError
from spatempo.models.layout import WeightLayout, Weights
from spatempo.models.video_model import VideoModel

_INSIDE = {"conv.conv_s": "0.0", "conv.bn_s": "0.1", "conv.conv_t": "0.3", "conv": "0", "bn": "1"}
_STEM = {"conv.conv_s": "0", "conv.bn_s": "1", "conv.conv_t": "3", "bn": "4"}
_KEY = re.compile(
    r"backbone\.(?:(conv1)|(layer\d\.\d+\.(?:conv\d|downsample)))\.(conv\.(?:conv_s|bn_s|conv_t)|conv|bn)\.(\w+)$"
)


def _matches(names: Weights) -> bool:
    return any(n.startswith("backbone.") and ".conv_s." in n for n in names)


def _convert(weights: Weights, model: VideoModel) -> dict[str, Tensor]:
    return {_rename(name): tensor for name, tensor in weights.items()}


def _rename(name: str) -> str:
    if name.startswith("cls_head.fc_cls."):
        return "head.fc." + name.removeprefix("cls_head.fc_cls.")
    key = _KEY.match(name)
    if key is None:
        return name  # reported as an unknown weight
    stem, block, part, rest = key.groups()
    return f"backbone.stem.{_STEM[part]}.{rest}" if stem else f"backbone.{block}.{_INSIDE[part]}.{rest}"


def _check(weights: Weights, model: VideoModel) -> None:
    if model.options.get("form", "mmaction2") != "mmaction2":
        raise SpatempoError("the weights are for mmaction2's form of R(2+1)D: give form='mmaction2'")


LAYOUT = WeightLayout("mmaction2's R(2+1)D", _matches, _convert, check=_check)
