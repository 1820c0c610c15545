"""A complete checkpoint in one file: weights and all that is needed to use them.

``<folder>/model.safetensors`` holds the tensors and, in its header, one JSON document: format version, design, backbone
and options, class names, preprocessing, length of the training videos, the plugged modules, recipe and metrics. One
file means that one rename makes a new checkpoint appear whole or not at all. No pickle is involved.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from spatempo.errors import SpatempoError
from spatempo.files import write_whole
from spatempo.inputs.spec import Preprocess
from spatempo.models.design import DESIGNS
from spatempo.models.header import Header, same_operators
from spatempo.models.layouts.own import FILE as FILE
from spatempo.models.registry import create_model
from spatempo.models.video_model import VideoModel


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
    header = Header(
        name=model.name,
        design=model.design,
        backbone=model.backbone_source,
        options=model.options,
        dropout=model.dropout,
        num_classes=model.num_classes,
        classes=model.classes,
        preprocess=model.preprocess.to_dict(),
        plugged=model.plugged,
        recipe=dict(recipe if recipe is not None else model.recipe),
        metrics=dict(metrics or {}),
        clip_seconds=model.clip_seconds,
        frames=model.fixed_frames,
    )
    weights = model.state_dict() if state_dict is None else state_dict
    tensors = {k: v.detach().to("cpu", copy=True).contiguous() for k, v in weights.items()}
    write_whole(folder / FILE, to_bytes(tensors, {"spatempo": header.to_json()}))
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
    header, tensors = _read(file)
    design = DESIGNS.get(header.design)
    if design is None:
        raise SpatempoError(
            f"{file}: is of the design {header.design!r}, which is not known here: import the file that "
            "registers it first (CONTRIBUTING.md shows how)"
        )
    preprocess = Preprocess.from_dict(header.preprocess)
    model = create_model(
        header.design,
        backbone=header.backbone,
        num_classes=header.num_classes,
        dropout=header.dropout,
        frames=header.frames or preprocess.frames,
        modality=preprocess.modality,
        stack=preprocess.stack,
        **{**design.older, **header.options},
    )
    model.preprocess = preprocess
    model.classes = header.classes
    model.clip_seconds = header.clip_seconds
    model.recipe = header.recipe
    model.weights = str(path)
    model.metrics = header.metrics
    differing = same_operators(header, model.plugged)
    if differing is not None:
        raise SpatempoError(f"{file}: operators differ from what this version builds, first at {differing!r}")
    try:
        model.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        raise SpatempoError(f"{file}: weights do not fit {model.name}: {' '.join(lines[1:2])}") from error
    return model.to(device).eval()


def describe_checkpoint(path: str | Path) -> Header:
    """What a checkpoint says about its model, without reading the weights."""
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


def _read(file: Path, weights: bool = True) -> tuple[Header, dict[str, Tensor]]:
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
    return Header.from_json(text, file), tensors
