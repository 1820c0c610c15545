"""STH's attention and the gates of GSM and GSF, for `diagnose`: numbers, sentences and images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from spatempo.data.manifest import Manifest
from spatempo.evaluation.inside.attention import attention_weights
from spatempo.evaluation.inside.gates import gate_maps, gate_statistics
from spatempo.models.video_model import VideoModel
from spatempo.operators.gate_shift import gate_layers
from spatempo.operators.sth_conv import attention_layers
from spatempo.report.figures import percent
from spatempo.report.film import Strip
from spatempo.studies.diagnosing.time_examples import clips_at, frames_as_images

MAX_VIDEOS = 256
"""Maximum number of videos; more would not change the means visibly."""


def look_inside(name: str, model: VideoModel, manifest: Manifest, *, batch_size: int, workers: int) -> dict[str, Any]:
    """Returns ``attention`` and ``gates``, each with a ``sentence``, for a model with such layers; else an empty dict.

    Args:
        name: name of the model, for the sentence.
        model, manifest, batch_size, workers: as for :func:`~spatempo.evaluation.inside.attention.attention_weights`.
    """
    settings: dict[str, Any] = {"max_videos": MAX_VIDEOS, "batch_size": batch_size, "workers": workers}
    found: dict[str, Any] = {}
    if attention_layers(model):
        attention = attention_weights(model, manifest, **settings).to_json()
        found["attention"] = {"sentence": attention_sentence(name, attention), **attention}
    if gate_layers(model):
        gates = gate_statistics(model, manifest, **settings).to_json()
        found["gates"] = {"sentence": gate_sentence(name, gates), **gates}
    return found


def attention_sentence(name: str, found: Mapping[str, Any]) -> str:
    """Summary of the result of `attention_weights`."""
    stages = ", ".join(f"{row['stage']} {percent(row['temporal'])}" for row in found["stages"])
    return (
        f"{name} gives time {percent(found['temporal'])} of the attention ({stages}). In "
        f"{percent(found['single_branch'])} of its channels one branch has more than 95\u00a0%."
    )


def gate_sentence(name: str, found: Mapping[str, Any]) -> str:
    """Summary of the result of `gate_statistics`."""
    most, least = (pick(found["layers"], key=lambda row: row["open"]) for pick in (max, min))
    summary = (
        f"{name} opens its gates by {percent(found['open'])} on average, most in {most['layer']} "
        f"({percent(most['open'])}), least in {least['layer']} ({percent(least['open'])}). "
        f"{percent(found['fully_open'])} of them are almost fully open (beyond 0.9)."
    )
    if "fusion_weight" not in found:
        return summary
    return f"{summary} The shifted part has a weight of {percent(found['fusion_weight'])}."


def gate_strips(model: VideoModel, manifest: Manifest, videos: Sequence[int]) -> list[Strip]:
    """Frames of videos with the opening of the gates drawn over them, the mean over all layers and halves.

    Args:
        model: model with gates.
        manifest: the data.
        videos: indices in the manifest.
    """
    if not model.preprocess.is_image:  # optical flow and stacked frames cannot be shown as images
        return []
    strips = []
    for index, clip in clips_at(manifest, model, videos):
        frames = frames_as_images(clip[0], model.preprocess)
        maps = [gates.abs().mean(1, keepdim=True) for gates in gate_maps(model, clip).values()]  # [T, 1, H', W'] each
        drawn = [F.interpolate(gates, size=frames.shape[1:3], mode="bilinear", antialias=True) for gates in maps]
        label = manifest.classes[manifest.samples[index].label]
        strips.append(Strip(label, frames, label, {}, torch.stack(drawn).mean(0)[:, 0].numpy()))
    return strips
