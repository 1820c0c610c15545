"""How much of STH's attention goes to time, as plain numbers: the study of the paper's Figures 5 to 8."""

from __future__ import annotations

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


def attention_shares(
    model: VideoModel,
    data: Manifest | str | Path,
    *,
    most: int | None = None,
    batch_size: int = 8,
    workers: int = 0,
    device: str | torch.device | None = None,
    progress: str = "",
) -> dict[str, Any]:
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

    Returns:
        ``n`` (videos); of the network ``temporal``, ``spread`` and ``settled`` (share of channels in which one branch
        has more than 95 %: where it is large, the mean counts channels given over to time rather than weighs); the
        same in ``stages`` (a list, with ``stage, layers``) and ``layers`` (with ``layer, stage``); ``unreadable``. Of
        one video a spread is None.

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
        {**place(name), **mean_and_spread("temporal", share[:, i]), "settled": float(settled[:, i].mean())}
        for i, name in enumerate(found)
    ]
    stages = []
    for stage in dict.fromkeys(row["stage"] for row in rows):
        members = [i for i, row in enumerate(rows) if row["stage"] == stage]
        of_stage = mean_and_spread("temporal", share[:, members].mean(1))
        stages.append(
            {"stage": stage, "layers": len(members), **of_stage, "settled": float(settled[:, members].mean())}
        )
    whole = {**mean_and_spread("temporal", share.mean(1)), "settled": float(settled.mean())}
    return {"n": len(share), **whole, "stages": stages, "layers": rows, "unreadable": unreadable}


def _of_clips(attention: Tensor) -> Tensor:
    """The temporal branch's weight of ``[B, 2, C]``, and where it is settled, over the channels: ``[B, 2]``."""
    temporal = attention[:, 1]
    settled = (temporal - 0.5).abs() > SETTLED - 0.5
    return torch.stack([temporal.mean(1), settled.float().mean(1)], 1)
