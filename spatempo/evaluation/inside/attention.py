"""How much of STH's attention goes to time, as plain numbers: the study of the paper's Figures 5 to 8."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spatempo.data.manifest import Manifest
from spatempo.errors import SpatempoError
from spatempo.evaluation.inside.layer_outputs import by_video, mean_and_spread, place
from spatempo.models.video_model import VideoModel
from spatempo.operators.sth_conv import attention_layers

SETTLED = 0.95
"""Of a channel's attention; a branch that has more has it all but alone."""


@dataclass(frozen=True)
class LayerAttention:
    """Attention of one layer; fields as in :class:`AttentionShares`."""

    layer: str
    stage: str
    temporal: float
    spread: float | None
    settled: float


@dataclass(frozen=True)
class StageAttention:
    """Mean over the `layers` layers of a stage; fields as in :class:`AttentionShares`."""

    stage: str
    layers: int
    temporal: float
    spread: float | None
    settled: float


@dataclass(frozen=True)
class AttentionShares:
    """How much of a network's attention goes to time.

    Attributes:
        n: videos.
        temporal: weight of the temporal branch, 0 to 1, the mean over layers, channels and videos.
        spread: its standard deviation over the videos; None of one video.
        settled: fraction of channels in which one branch has more than 95 %. Where it is large, the mean counts
            channels that belong to one branch rather than weighs them.
        stages, layers: the same for each stage and layer, in network order.
        unreadable: ``{"path", "reason"}`` of the videos that could not be read.
    """

    n: int
    temporal: float
    spread: float | None
    settled: float
    stages: list[StageAttention]
    layers: list[LayerAttention]
    unreadable: list[dict[str, str]]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types, the same keys."""
        return asdict(self)


def attention_shares(
    model: VideoModel,
    data: Manifest | str | Path,
    *,
    most: int | None = None,
    batch_size: int = 8,
    workers: int = 0,
    device: str | torch.device | None = None,
    progress: str = "",
) -> AttentionShares:
    """How much of STH's attention goes to time.

    The share of a layer is its weight ``a_T`` on the temporal branch (the spatial one has the rest, ``a_S = 1 - a_T``),
    a mean over channels and videos. A stage's is the mean of its layers', the network's that of all layers: so the
    paper's own figures fit together, to the three points that one can read off them. Spreads are standard deviations
    from video to video. Training starts at one half everywhere.

    Args:
        model: with STH convolutions that have attention; put in eval mode for the time.
        data: a manifest, or what :func:`~spatempo.data.manifest.load_manifest` takes; one centre view of each video.
        most: of its videos, drawn by chance but the same ones every time; None: all.
        batch_size: videos at a time.
        workers: processes that read videos.
        device: where to move the model; None leaves it where it is.
        progress: what the bar on stderr says; empty: none.

    Raises:
        SpatempoError: no attention in the model, or no video that can be read.
    """
    layers = attention_layers(model)
    if not layers:
        raise SpatempoError("this model has no STH convolution with attention: give one such as sth_resnet50")
    found, unreadable = by_video(
        model,
        data,
        layers,
        _of_clips,
        most=most,
        batch_size=batch_size,
        workers=workers,
        device=device,
        progress=progress,
    )
    share, settled = torch.stack(list(found.values()), 1).unbind(2)  # [videos, layers] each
    rows = [
        LayerAttention(*place(name), *mean_and_spread(share[:, i]), settled=float(settled[:, i].mean()))
        for i, name in enumerate(found)
    ]
    stages = []
    for stage in dict.fromkeys(row.stage for row in rows):
        members = [i for i, row in enumerate(rows) if row.stage == stage]
        of_stage = mean_and_spread(share[:, members].mean(1))
        stages.append(StageAttention(stage, len(members), *of_stage, settled=float(settled[:, members].mean())))
    temporal, spread = mean_and_spread(share.mean(1))
    return AttentionShares(
        n=len(share),
        temporal=temporal,
        spread=spread,
        settled=float(settled.mean()),
        stages=stages,
        layers=rows,
        unreadable=unreadable,
    )


def _of_clips(attention: Tensor) -> Tensor:
    """The temporal branch's weight of ``[B, 2, C]``, and where it is settled, over the channels: ``[B, 2]``."""
    temporal = attention[:, 1]
    settled = (temporal - 0.5).abs() > SETTLED - 0.5
    return torch.stack([temporal.mean(1), settled.float().mean(1)], 1)
