"""A complete checkpoint in one file: weights and all that is needed to use them.

``<folder>/model.safetensors`` holds the tensors and, in its header, one JSON document: format version, design, backbone
and options, class names, preprocessing, length of the training videos, the plugged modules, recipe and metrics. One
file means that one rename makes a new checkpoint appear whole or not at all. No pickle is involved.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from spatempo.errors import SpatempoError
from spatempo.files import write_whole
from spatempo.models.adapters.spatempo_own import FILE as FILE
from spatempo.models.design import DESIGNS
from spatempo.models.registry import create_model
from spatempo.models.video_model import VideoModel
from spatempo.preprocess import Preprocess

FORMAT = 1


def save_checkpoint(
    model: VideoModel,
    folder: str | Path,
    *,
    recipe: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    state_dict: Mapping[str, Tensor] | None = None,
) -> Path:
    """Writes a checkpoint, replacing an earlier one in ``folder`` only once the new one is safe on disk.

    Args:
        model: the model, with ``classes`` and ``preprocess`` set.
        folder: made if missing.
        recipe: how it was trained; the model's own by default.
        metrics: what it scored, for people.
        state_dict: other weights than the model's present ones (an average over training steps).

    Returns:
        The folder.

    Raises:
        WriteError: the disk is full or not writable; an earlier checkpoint is then untouched.
    """
    folder = Path(folder)
    facts = {
        "format": FORMAT,
        "name": model.name,
        "design": model.design,
        "backbone": model.backbone_source,
        "options": model.options,
        "dropout": model.head.dropout.p,
        "num_classes": model.num_classes,
        "classes": model.classes,
        "preprocess": model.preprocess.to_dict(),
        "clip_seconds": model.clip_seconds,
        "plugged": model.plugged,
        "recipe": dict(recipe if recipe is not None else model.recipe),
        "metrics": dict(metrics or {}),
    }
    weights = model.state_dict() if state_dict is None else state_dict
    tensors = {k: v.detach().to("cpu", copy=True).contiguous() for k, v in weights.items()}
    write_whole(folder / FILE, to_bytes(tensors, {"spatempo": json.dumps(facts)}))
    return folder


def load(path: str | Path, device: str | torch.device = "cpu") -> VideoModel:
    """Reads a checkpoint: the model in eval mode with ``classes``, ``preprocess`` and ``recipe``.

    Args:
        path: a checkpoint's folder or its file; for a run's folder, its ``best``.
        device: where to put it.

    Raises:
        SpatempoError: not a checkpoint, damaged, or of a newer format; or its weights do not fit its own description.
    """
    file = _find(Path(path))
    facts, tensors = _read(file)
    try:
        if facts["format"] > FORMAT:
            raise SpatempoError(f"{file}: is of format {facts['format']}, newer than this spatempo knows; upgrade it")
        if facts["design"] not in DESIGNS:
            raise SpatempoError(
                f"{file}: is of the design {facts['design']!r}, which is not known here: import the file that "
                "registers it first (CONTRIBUTING.md shows how)"
            )
        preprocess = Preprocess.from_dict(facts["preprocess"])
        model = create_model(
            facts["design"],
            backbone=facts["backbone"],
            num_classes=facts["num_classes"],
            dropout=facts["dropout"],
            frames=preprocess.frames,
            modality=preprocess.modality,
            stack=preprocess.stack,
            **{**DESIGNS[facts["design"]].older, **facts["options"]},
        )
        model.preprocess = preprocess
        model.classes = facts["classes"]
        model.clip_seconds = facts.get("clip_seconds")  # checkpoints of before it was kept have none
        model.recipe = facts["recipe"]
        model.metrics = facts["metrics"]
        plugged = facts["plugged"]
    except (KeyError, TypeError) as error:
        raise SpatempoError(f"{file}: its description is damaged ({error!r}); train or save it again") from error
    if plugged != model.plugged:
        differing = next(iter(set(plugged) ^ set(model.plugged)))
        raise SpatempoError(f"{file}: operators differ from what this version builds, first at {differing!r}")
    try:
        model.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        raise SpatempoError(f"{file}: weights do not fit {model.name}: {' '.join(lines[1:2])}") from error
    return model.to(device).eval()


def describe_checkpoint(path: str | Path) -> dict[str, Any]:
    """The JSON document of a checkpoint, without reading the weights."""
    return _read(_find(Path(path)), weights=False)[0]


def _find(path: Path) -> Path:
    for candidate in (path, path / FILE, path / "best" / FILE):
        if candidate.is_file():
            return candidate
    if path.exists():
        raise SpatempoError(
            f"{path}: holds no checkpoint ({FILE}); give the folder that training wrote, such as RUN/best"
        )
    raise SpatempoError(f"{path}: no such checkpoint; training writes one to RUN/best")


def _read(file: Path, weights: bool = True) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(file, framework="pt") as content:
            text = (content.metadata() or {}).get("spatempo")
            tensors = {k: content.get_tensor(k) for k in content.keys()} if weights else {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise SpatempoError(
            f"{file}: is not a spatempo checkpoint, or is damaged ({error}); weights of other code go to --weights"
        ) from error
    if text is None:
        raise SpatempoError(
            f"{file}: has weights but no description of a model; create one and give it `weights={file}`"
        )
    try:
        facts = json.loads(text)
    except ValueError:
        facts = None
    if not isinstance(facts, dict):
        raise SpatempoError(f"{file}: its description is damaged; train or save it again")
    return facts, tensors
