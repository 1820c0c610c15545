"""Checkpoints: weights and the full description of a model in one file.

``<folder>/model.safetensors`` contains the tensors and, in its header, one JSON document: format version, design,
backbone and options, class names, preprocessing, length of the training videos, the placed operators, recipe and
metrics. Because it is one file, a single rename replaces a checkpoint atomically. No pickle is involved.
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
from spatempo.files import write_atomic
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
    """Writes a checkpoint. An earlier one in ``folder`` is replaced only when the new one is completely written.

    Args:
        model: the model, with ``classes`` and ``preprocess`` set.
        folder: created if missing.
        recipe: training recipe; by default ``model.recipe``.
        metrics: measured metrics, for information only.
        state_dict: weights to store instead of the model's current ones, for example an average over training steps.

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
    write_atomic(folder / FILE, to_bytes(tensors, {"spatempo": header.to_json()}))
    return folder


def load(path: str | Path, device: str | torch.device = "cpu") -> VideoModel:
    """Loads a checkpoint and returns the model in eval mode, with ``classes``, ``preprocess`` and ``recipe`` set.

    Args:
        path: a checkpoint folder or file, or a run folder, of which ``best`` is loaded.
        device: device for the model.

    Raises:
        SpatempoError: not a checkpoint, damaged, of a newer format, or its weights do not match its description.
    """
    file = _find(Path(path))
    header, tensors = _read(file)
    design = DESIGNS.get(header.design)
    if design is None:
        raise SpatempoError(
            f"{file}: the design {header.design!r} is not registered: first import the file that registers it (see "
            "CONTRIBUTING.md)"
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
        **{**design.older_defaults, **header.options},
    )
    model.preprocess = preprocess
    model.classes = header.classes
    model.clip_seconds = header.clip_seconds
    model.recipe = header.recipe
    model.weights = str(path)
    model.metrics = header.metrics
    differing = same_operators(header, model.plugged)
    if differing is not None:
        raise SpatempoError(f"{file}: its operators differ from those of this version, first at {differing!r}")
    try:
        model.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        raise SpatempoError(f"{file}: weights do not fit {model.name}: {' '.join(lines[1:2])}") from error
    return model.to(device).eval()


def describe_checkpoint(path: str | Path) -> Header:
    """Reads the description of a checkpoint's model, without the weights."""
    return _read(_find(Path(path)), weights=False)[0]


def _find(path: Path) -> Path:
    for candidate in (path, path / FILE, path / "best" / FILE):
        if candidate.is_file():
            return candidate
    if path.exists():
        raise SpatempoError(
            f"{path}: contains no checkpoint ({FILE}); give the folder that training wrote, such as RUN/best"
        )
    raise SpatempoError(f"{path}: no such checkpoint; training writes one to RUN/best")


def _read(file: Path, weights: bool = True) -> tuple[Header, dict[str, Tensor]]:
    try:
        with safe_open(file, framework="pt") as content:
            text = (content.metadata() or {}).get("spatempo")
            tensors = {k: content.get_tensor(k) for k in content.keys()} if weights else {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise SpatempoError(
            f"{file}: not a spatempo checkpoint, or damaged ({error}); pass weights of other code with `weights`"
        ) from error
    if text is None:
        raise SpatempoError(
            f"{file}: contains weights but no description of a model; create a model with `weights={file}`"
        )
    return Header.from_json(text, file), tensors
