"""The model that a run starts with: a new one, or that of the resumed run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from spatempo.errors import SpatempoError
from spatempo.inputs.modality import modality_of
from spatempo.inputs.spec import Preprocess
from spatempo.learning.recipe import Recipe
from spatempo.models.registry import create_model, parse_name
from spatempo.models.video_model import VideoModel


def with_modality(options: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """The options, with the modality of the resumed run if they do not contain one.

    Args:
        options: options of the design, and ``modality`` and ``stack`` of ``create_model``.
        before: identity of the resumed run; empty for a new run.
    """
    previous = before.get("preprocess", {})  # the modality is given with the options but is stored here
    return {key: previous[key] for key in ("modality", "stack") if key in previous} | dict(options)


def settings_of(model: VideoModel, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a recipe. Those of the input specification, and dropout, default to the values of the model."""
    own = {name: getattr(model.preprocess, name) for name in ("frames", "size", "sampling")}
    return {**own, "dropout": model.dropout, **{name: value for name, value in fields.items() if value is not None}}


def use_network(model: VideoModel, classes: Sequence[str], recipe: Recipe) -> VideoModel:
    """The model of the caller, with the input specification of the recipe and the classes of the data.

    Raises:
        SpatempoError: the model has another number of classes, or another fixed number of frames.
    """
    if model.num_classes != len(classes):
        raise SpatempoError(
            f"{model.name} has {model.num_classes} classes, but the data has {len(classes)}: create it with "
            f"num_classes={len(classes)}"
        )
    if model.fixed_frames not in (None, recipe.frames):
        raise SpatempoError(
            f"{model.name} needs clips of {model.fixed_frames} frames, but the recipe has {recipe.frames}: create it "
            f"with frames={recipe.frames}"
        )
    own = model.preprocess
    resize = own.resize if recipe.size == own.size else None
    model.preprocess = replace(
        own, frames=recipe.frames, size=recipe.size or own.size, resize=resize, sampling=recipe.sampling
    )
    model.classes = list(classes)
    return model


def frames_read(model: str | VideoModel, options: Mapping[str, Any]) -> str:
    """Kind of frames that a model reads, for :func:`spatempo.video.source.open_video`, without creating the model.

    Args:
        model: a name or a model.
        options: options of the design, and ``backbone`` and ``modality`` of ``create_model``.
    """
    if isinstance(model, VideoModel):
        return model.preprocess.kind.reads
    design, _, _ = parse_name(model, options.get("backbone"))
    return modality_of(options.get("modality") or design.preprocess.modality).reads


def start_network(
    name: str,
    classes: Sequence[str],
    recipe: Recipe,
    weights: str | Path | None,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    options: Mapping[str, Any],
    before: Mapping[str, Any],
) -> VideoModel:
    """Creates a model from the recipe, with `weights`, or with random weights that depend only on the recipe's seed.

    If a run is resumed without weights, the parameters come from the state of the run, and the input specification is
    that of the run.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = create_model(
            name,
            num_classes=len(classes),
            pretrained=None if weights is None else str(weights),
            mean=None if mean is None else tuple(mean),  # pyright: ignore[reportArgumentType]  (Preprocess checks it)
            std=None if std is None else tuple(std),  # pyright: ignore[reportArgumentType]
            frames=recipe.frames,
            size=recipe.size,
            dropout=recipe.dropout,
            **options,
        )
    network.classes = list(classes)
    network.preprocess = replace(network.preprocess, sampling=recipe.sampling)
    if before:
        own, started = network.preprocess, Preprocess.from_dict(before["preprocess"])
        if started.size == own.size:  # an earlier version may have used another short side for this size
            network.preprocess = replace(own, resize=started.short_side)
        same_input = (started.modality, started.stack) == (own.modality, own.stack)  # differences are reported later
        if weights is None and mean is None and std is None and same_input:
            network.preprocess = started  # it was defined by the initial weights of the run
    return network
