"""The layout of torchvision's video networks: ``r3d_18``, ``mc3_18``, ``r2plus1d_18``.

Keys are ``stem.*``, ``layerL.B.*`` and ``fc.*``; the backbone here has the same names, so only the head moves.
"""

from __future__ import annotations

from torch import Tensor


def matches(weights: dict[str, Tensor]) -> bool:
    """Whether these are weights of such a file; other code that builds on torchvision's class has its keys too."""
    # image networks (timm's ConvNeXt) may have a stem.0 as well, but not along time
    return any(n.removeprefix("module.") == "stem.0.weight" and w.ndim == 5 for n, w in weights.items())


def convert(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Renames to the video model's keys, ``backbone.*`` and ``head.fc.*``; no tensor is changed."""
    return {_rename(name.removeprefix("module.")): tensor for name, tensor in weights.items()}


def _rename(name: str) -> str:
    return f"head.{name}" if name.startswith("fc.") else f"backbone.{name}"
