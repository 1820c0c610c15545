"""Our own checkpoints as initial weights: for other classes, another number of frames, another recipe.

``load`` gives back a trained model as it is; this is for training on from it (train on short clips, then fine-tune on
long ones). The keys are the model's own, ``backbone.*`` and ``head.fc.*``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

FILE = "model.safetensors"


def matches(names: Iterable[str]) -> bool:
    """Whether these are the keys of such a checkpoint."""
    names = set(names)  # timm has networks with a head.fc of their own
    return "head.fc.weight" in names and any(n.startswith("backbone.") for n in names)


def convert(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The keys are the model's already."""
    return weights


def find_file(path: str | Path) -> Path:
    """The weight file that a path stands for: itself, or the file in a checkpoint's or a run's folder."""
    path = Path(path)
    inside = (path / FILE, path / "best" / FILE)
    return next((file for file in inside if file.is_file()), path)


def description(path: str | Path) -> dict[str, Any] | None:
    """What the checkpoint says about its model (``preprocess``, ``options``, ...); ``None`` if it is none of ours."""
    try:
        with safe_open(path, framework="pt") as content:
            text = (content.metadata() or {}).get("spatempo")
    except SafetensorError:  # torch's own format
        return None
    return None if text is None else json.loads(text)
