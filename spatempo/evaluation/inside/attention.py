"""Attention weights of the temporal branch of STH, as in Figures 5 to 8 of the paper."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spatempo.data.manifest import Manifest
from spatempo.errors import SpatempoError
from spatempo.evaluation.inside.layer_outputs import layer_and_stage, mean_and_spread, measure_layers
from spatempo.models.video_model import VideoModel
from spatempo.operators.sth_conv import attention_layers

SINGLE_BRANCH = 0.95
"""Attention weight above which a channel uses almost only one branch."""


@dataclass(frozen=True)
class LayerAttention:
    """Attention of one layer; fields as in :class:`AttentionWeights`."""

    layer: str
    stage: str
    temporal: float
    spread: float | None
    single_branch: float


@dataclass(frozen=True)
class StageAttention:
    """Mean over the `layers` layers of a stage; fields as in :class:`AttentionWeights`."""

    stage: str
    layers: int
    temporal: float
    spread: float | None
    single_branch: float


@dataclass(frozen=True)
class AttentionWeights:
    """Attention weights of the temporal branches of a network.

    Attributes:
        n: number of videos.
        temporal: weight of the temporal branch, 0 to 1, mean over layers, channels and videos.
        spread: standard deviation of `temporal` over the videos; None for one video.
        single_branch: fraction of channels in which one branch has more than 95 % of the attention. If it is large,
            `temporal` is close to the fraction of channels that use the temporal branch.
        stages, layers: the same statistics per stage and per layer, in network order.
        unreadable: ``{"path", "reason"}`` of the videos that could not be read.
    """

    n: int
    temporal: float
    spread: float | None
    single_branch: float
    stages: list[StageAttention]
    layers: list[LayerAttention]
    unreadable: list[dict[str, str]]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types, the same keys."""
        return asdict(self)


def attention_weights(
    model: VideoModel,
    data: Manifest | str | Path,
    *,
    max_videos: int | None = None,
    batch_size: int = 8,
    workers: int = 0,
    device: str | torch.device | None = None,
    progress: str = "",
) -> AttentionWeights:
    """Measure the attention weights of the temporal branches of STH.

    The value of a layer is its weight ``a_T`` of the temporal branch, a mean over channels and videos. The spatial
    branch has the weight ``a_S = 1 - a_T``. The value of a stage is the mean of its layers, and the value of the
    network is the mean of all layers. With these definitions the figures of the paper agree with each other within 3
    percentage points, the precision of reading them. Spreads are standard deviations over videos. All weights are 1/2
    before training.

    Args:
        model: a model with STH convolutions that have attention. It is in eval mode during the call.
        data: a manifest, or any source that :func:`~spatempo.data.manifest.load_manifest` accepts. One centre view of
            each video is used.
        max_videos: largest number of videos, a random subset that is the same in each call; None: all videos.
        batch_size: videos per batch.
        workers: processes that read videos.
        device: device to move the model to; None does not move it.
        progress: label of the progress bar on stderr; empty: no bar.

    Raises:
        SpatempoError: the model has no attention, or no video can be read.
    """
    layers = attention_layers(model)
    if not layers:
        raise SpatempoError("this model has no STH convolution with attention; use a model such as sth_resnet50")
    found, unreadable = measure_layers(
        model,
        data,
        layers,
        _temporal_and_single_branch,
        max_videos=max_videos,
        batch_size=batch_size,
        workers=workers,
        device=device,
        progress=progress,
    )
    weights, single_branch = torch.stack(list(found.values()), 1).unbind(2)  # [videos, layers] each
    rows = [
        LayerAttention(
            *layer_and_stage(name), *mean_and_spread(weights[:, i]), single_branch=float(single_branch[:, i].mean())
        )
        for i, name in enumerate(found)
    ]
    stages = []
    for stage in dict.fromkeys(row.stage for row in rows):
        members = [i for i, row in enumerate(rows) if row.stage == stage]
        of_stage = mean_and_spread(weights[:, members].mean(1))
        stages.append(
            StageAttention(stage, len(members), *of_stage, single_branch=float(single_branch[:, members].mean()))
        )
    temporal, spread = mean_and_spread(weights.mean(1))
    return AttentionWeights(
        n=len(weights),
        temporal=temporal,
        spread=spread,
        single_branch=float(single_branch.mean()),
        stages=stages,
        layers=rows,
        unreadable=unreadable,
    )


def _temporal_and_single_branch(attention: Tensor) -> Tensor:
    """Mean temporal weight and fraction of channels that use one branch, from attention ``[B, 2, C]``: ``[B, 2]``."""
    temporal = attention[:, 1]
    single_branch = (temporal - 0.5).abs() > SINGLE_BRANCH - 0.5
    return torch.stack([temporal.mean(1), single_branch.float().mean(1)], 1)
