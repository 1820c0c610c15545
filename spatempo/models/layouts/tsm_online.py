"""The layout of TSM's online demo for gestures, ``mobilenetv2_jester_online.pth.tar``.

A plain state_dict of a MobileNetV2 with flat blocks: ``features.3.conv.0.weight``, ``features.0.0.weight``,
``classifier.weight``. The keys do not show its shifts, which use the previous frame only. The authors' image-pretrained
network has the same layout.
"""

from __future__ import annotations

import re

from torch import Tensor

from spatempo.models.layout import WeightLayout, Weights
from spatempo.models.layouts.tsm import nested_mobilenet
from spatempo.models.video_model import VideoModel

_FLAT_ONLY = re.compile(r"features\.\d+\.conv\.7\.")  # torchvision's blocks have no eighth module


def _matches(weights: Weights) -> bool:
    return any(_FLAT_ONLY.match(n) for n in weights)


def _convert(weights: Weights, model: VideoModel) -> dict[str, Tensor]:
    return {_rename(name): tensor for name, tensor in weights.items()}


def _note(weights: Weights, model: VideoModel) -> str | None:
    classes = weights["classifier.weight"].shape[0] if "classifier.weight" in weights else 0
    if (model.design == "tsm" and model.options.get("causal")) or classes == 1000:  # ImageNet's: no shifts in training
        return None
    return (
        "the weights are from the online demo, whose temporal shifts use past frames only: create tsm_mobilenet_v2 "
        "with causal=True"
    )


def _rename(name: str) -> str:
    if name.startswith("classifier."):
        return "head.fc." + name.removeprefix("classifier.")
    return f"backbone.{nested_mobilenet(name)}"


LAYOUT = WeightLayout("TSM's online demo", _matches, _convert, note=_note)
