"""Our own checkpoints as initial weights: for other classes, another number of frames, another recipe.

``load`` gives back a trained model as it is; this is for training on from it (train on short clips, then fine-tune on
long ones). The keys are the model's own, ``backbone.*``, ``head.*`` and ``tail.*``.
"""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from spatempo.models.header import Header
from spatempo.models.layout import WeightLayout, Weights
from spatempo.models.video_model import VideoModel

FILE = "model.safetensors"


def find_file(path: str | Path) -> Path:
    """The weight file that a path stands for: itself, or the file in a checkpoint's or a run's folder."""
    path = Path(path)
    inside = (path / FILE, path / "best" / FILE)
    return next((file for file in inside if file.is_file()), path)


def header(path: str | Path) -> Header | None:
    """What the checkpoint says about its model; ``None`` if it is none of ours."""
    try:
        with safe_open(path, framework="pt") as content:
            text = (content.metadata() or {}).get("spatempo")
    except SafetensorError:  # torch's own format
        return None
    return None if text is None else Header.from_json(text, path)


def _matches(weights: Weights) -> bool:
    # timm has networks with a head.fc of their own, but no backbone in front of it
    parts = {name.partition(".")[0] for name in weights}
    return {"backbone", "head"} <= parts <= {"backbone", "head", "tail"}


def _convert(weights: Weights, model: VideoModel) -> dict[str, Tensor]:
    return dict(weights)


LAYOUT = WeightLayout("spatempo", _matches, _convert)
