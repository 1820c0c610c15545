"""The layout of mit-han-lab/temporal-shift-module's checkpoints (TSN and TSM, ResNet and MobileNetV2).

Keys are those of a DataParallel ``TSN`` module: ``module.base_model.layer1.0.conv1.net.weight`` where a shift was
wrapped round the convolution, ``...conv1.weight`` where not, and ``module.new_fc.*``. Its MobileNetV2 has flat blocks
(``conv.0`` .. ``conv.7``) where torchvision's are nested.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from torch import Tensor

# position in the official flat block -> name in torchvision's, with and without an expanding convolution
_EXPANDED = {"0": "0.0", "1": "0.1", "3": "1.0", "4": "1.1", "6": "2", "7": "3"}
_PLAIN = {"0": "0.0", "1": "0.1", "3": "1", "4": "2"}
_FLAT = re.compile(r"features\.(\d+)\.conv\.(\d)\.(\w+)$")


def matches(names: Iterable[str]) -> bool:
    """Whether these are the keys of such a checkpoint."""
    return any(n.removeprefix("module.").startswith("base_model.") for n in names)


def convert(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Renames to the video model's keys, ``backbone.*`` and ``head.fc.*``; no tensor is changed."""
    return {_rename(name): tensor for name, tensor in weights.items()}


def _rename(name: str) -> str:
    name = name.removeprefix("module.")
    if name.startswith("new_fc."):
        return "head.fc." + name.removeprefix("new_fc.")
    name = name.removeprefix("base_model.").replace(".net.", ".")
    if name.startswith("classifier."):  # a MobileNetV2 trained without dropout keeps its own classifier
        return "head.fc." + name.removeprefix("classifier.")
    flat = _FLAT.match(name)
    if flat:
        block, position, rest = flat.groups()
        name = f"features.{block}.conv.{(_PLAIN if block == '1' else _EXPANDED)[position]}.{rest}"
    return f"backbone.{name}"
