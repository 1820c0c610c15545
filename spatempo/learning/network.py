"""The network that a run starts with, new or as the run that is gone on with had it."""

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


def known_options(options: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """The options given, and the modality of the run that is resumed where they do not say one.

    Args:
        options: the design's, and ``create_model``'s ``modality`` and ``stack``.
        before: identity of the run that is resumed; empty for a new one.
    """
    fed = before.get("preprocess", {})  # the modality is told with the options, but is none of the design's
    return {key: fed[key] for key in ("modality", "stack") if key in fed} | dict(options)


def settings_of(model: VideoModel, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a recipe, those of the input specification being the given model's where they are not given."""
    own = {name: getattr(model.preprocess, name) for name in ("frames", "size", "sampling")}
    return {**own, "dropout": model.dropout, **{name: value for name, value in fields.items() if value is not None}}


def use_network(model: VideoModel, classes: Sequence[str], recipe: Recipe) -> VideoModel:
    """The model that the caller made, with the recipe's input specification and the classes of the data.

    Raises:
        SpatempoError: it has another number of classes, or is made for another number of frames.
    """
    if model.num_classes != len(classes):
        raise SpatempoError(
            f"{model.name} has {model.num_classes} classes and the data {len(classes)}: create it with "
            f"num_classes={len(classes)}"
        )
    if model.fixed_frames not in (None, recipe.frames):
        raise SpatempoError(
            f"{model.name} is made for clips of {model.fixed_frames} frames and the recipe asks for {recipe.frames}: "
            f"create it with frames={recipe.frames}"
        )
    own = model.preprocess
    resize = own.resize if recipe.size == own.size else None
    model.preprocess = replace(
        own, frames=recipe.frames, size=recipe.size or own.size, resize=resize, sampling=recipe.sampling
    )
    model.classes = list(classes)
    return model


def frames_read(model: str | VideoModel, options: Mapping[str, Any]) -> str:
    """The kind of frames that a model reads, for :func:`spatempo.video.source.open_video`, before it is made.

    Args:
        model: a name or a model.
        options: the design's, and ``create_model``'s ``backbone`` and ``modality``.
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
    """A network as the recipe says, from `weights` or from random ones by the recipe's seed alone.

    Resumed without weights it gets its parameters from the run's state, and is fed as that run was.
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
        if started.size == own.size:  # for which an earlier version may have had another short side
            network.preprocess = replace(own, resize=started.short_side)
        same_input = (started.modality, started.stack) == (own.modality, own.stack)  # others are reported later
        if weights is None and mean is None and std is None and same_input:
            network.preprocess = started  # the weights of the start said what it is
    return network
