"""What goes on inside a network, for `diagnose`: STH's attention, GSM's and GSF's gates in numbers, words, pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from spatempo.data.manifest import Manifest
from spatempo.evaluation.inside.attention import attention_shares
from spatempo.evaluation.inside.gates import gate_maps, gate_statistics
from spatempo.models.video_model import VideoModel
from spatempo.operators.gate_shift import gate_layers
from spatempo.operators.sth_conv import attention_layers
from spatempo.report.figures import percent
from spatempo.report.film import Strip
from spatempo.studies.diagnosing.time_examples import clips_at, pictures

MOST = 256
"""Videos; more of them move the means less than one can see."""


def look_inside(name: str, model: VideoModel, manifest: Manifest, *, batch_size: int, workers: int) -> dict[str, Any]:
    """``attention`` and ``gates``, each with a ``sentence``, of a model that has such layers; nothing of others.

    Args:
        name: of the model, for the sentence.
        model, manifest, batch_size, workers: as for :func:`~spatempo.evaluation.inside.attention.attention_shares`.
    """
    found: dict[str, Any] = {}
    if attention_layers(model):
        shares = attention_shares(model, manifest, most=MOST, batch_size=batch_size, workers=workers).to_json()
        found["attention"] = {"sentence": attention_sentence(name, shares), **shares}
    if gate_layers(model):
        gates = gate_statistics(model, manifest, most=MOST, batch_size=batch_size, workers=workers).to_json()
        found["gates"] = {"sentence": gate_sentence(name, gates), **gates}
    return found


def attention_sentence(name: str, found: Mapping[str, Any]) -> str:
    """What the numbers of `attention_shares` say."""
    stages = ", ".join(f"{row['stage']} {percent(row['temporal'])}" for row in found["stages"])
    return (
        f"{name} gives time {percent(found['temporal'])} of the attention ({stages}); in {percent(found['settled'])} "
        "of its channels one branch has more than 95\u00a0%."
    )


def gate_sentence(name: str, found: Mapping[str, Any]) -> str:
    """What the numbers of `gate_statistics` say."""
    most, least = (pick(found["layers"], key=lambda row: row["open"]) for pick in (max, min))
    told = (
        f"{name} opens its gates by {percent(found['open'])} on average, most in {most['layer']} "
        f"({percent(most['open'])}), least in {least['layer']} ({percent(least['open'])}); {percent(found['full'])} "
        "of them are beyond 0.9, open all but fully."
    )
    return f"{told} What comes in then weighs {percent(found['fusion'])}." if "fusion" in found else told


def gate_strips(model: VideoModel, manifest: Manifest, videos: Sequence[int]) -> list[Strip]:
    """Videos, by their index in the manifest, and how far gates are open there: a mean of all layers and halves."""
    if not model.preprocess.is_picture:  # neither flow nor a stack is a picture
        return []
    strips = []
    for index, clip in clips_at(manifest, model, videos):
        frames = pictures(clip[0], model.preprocess)
        maps = [gates.abs().mean(1, keepdim=True) for gates in gate_maps(model, clip).values()]  # [T, 1, H', W'] each
        drawn = [F.interpolate(gates, size=frames.shape[1:3], mode="bilinear", antialias=True) for gates in maps]
        label = manifest.classes[manifest.samples[index].label]
        strips.append(Strip(label, frames, label, {}, torch.stack(drawn).mean(0)[:, 0].numpy()))
    return strips
