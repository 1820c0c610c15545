"""spatempo checkpoints as initial weights: for other classes, another number of frames, another recipe.

``load`` returns a trained model unchanged. This layout is for further training, for example first on short clips, then
on long ones. The keys are those of the model, ``backbone.*``, ``head.*`` and ``tail.*``.
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
    """The weight file at a path: the path itself, or the file in a checkpoint or run folder."""
    path = Path(path)
    inside = (path / FILE, path / "best" / FILE)
    return next((file for file in inside if file.is_file()), path)


def header(path: str | Path) -> Header | None:
    """The description of a checkpoint's model; ``None`` if the file is not a spatempo checkpoint."""
    try:
        with safe_open(path, framework="pt") as content:
            text = (content.metadata() or {}).get("spatempo")
    except SafetensorError:  # torch's own format
        return None
    return None if text is None else Header.from_json(text, path)


def _matches(weights: Weights) -> bool:
    # some timm networks also have head.fc, but none has a backbone prefix
    parts = {name.partition(".")[0] for name in weights}
    return {"backbone", "head"} <= parts <= {"backbone", "head", "tail"}


def _convert(weights: Weights, model: VideoModel) -> dict[str, Tensor]:
    return dict(weights)


LAYOUT = WeightLayout("spatempo", _matches, _convert)
