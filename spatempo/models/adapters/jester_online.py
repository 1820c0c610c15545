"""The layout of TSM's online demo for gestures, ``mobilenetv2_jester_online.pth.tar``.

A bare state_dict of a MobileNetV2 with flat blocks: ``features.3.conv.0.weight``, ``features.0.0.weight``,
``classifier.weight``, with nothing about its shifts, which take from the frame before only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from spatempo.models.adapters.tsm_official import nested_mobilenet

_FLAT_ONLY = re.compile(r"features\.\d+\.conv\.7\.")  # torchvision's blocks have no eighth part


def matches(names: Iterable[str]) -> bool:
    """Whether these are the keys of such a checkpoint."""
    return any(_FLAT_ONLY.match(n) for n in names)


def convert(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Renames to the video model's keys, ``backbone.*`` and ``head.fc.*``; no tensor is changed."""
    return {_rename(name): tensor for name, tensor in weights.items()}


def remark(options: Mapping[str, Any]) -> str | None:
    """What to tell about such weights in a model with these options."""
    if options.get("causal"):
        return None
    return "the online demo's network looks at past frames only: create the model with causal=True, as its weights need"


def _rename(name: str) -> str:
    if name.startswith("classifier."):
        return "head.fc." + name.removeprefix("classifier.")
    return f"backbone.{nested_mobilenet(name)}"
