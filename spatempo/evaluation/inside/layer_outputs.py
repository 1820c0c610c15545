"""Record outputs of layers while a network processes videos; used by attention.py and gates.py.

The values are those of the forward pass itself (:mod:`spatempo.operators.watch`); nothing is computed twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from spatempo.data.dataset import ClipDataset
from spatempo.data.manifest import Manifest
from spatempo.errors import SpatempoError
from spatempo.evaluation.running import device_of, eval_mode, move
from spatempo.evaluation.scoring.loading import batches, manifest_for
from spatempo.evaluation.scoring.view_plan import view_plan
from spatempo.models.video_model import VideoModel
from spatempo.operators.watch import watch


def measure_layers(
    model: VideoModel,
    data: Manifest | str | Path,
    layers: Mapping[str, nn.Module],
    measure: Callable[[Tensor], Tensor],
    *,
    max_videos: int | None,
    batch_size: int,
    workers: int,
    device: str | torch.device | None,
    progress: str,
) -> tuple[dict[str, Tensor], list[dict[str, str]]]:
    """Run the model on one centre view of every video and measure the outputs of layers.

    Args:
        model: the model; it is in eval mode during the call.
        data: a manifest, or any source that :func:`~spatempo.data.manifest.load_manifest` accepts.
        layers: layers to record, by name.
        measure: function from the output of a layer for a batch, ``[B, ...]``, to statistics per video, ``[B, ...]``.
        max_videos: largest number of videos, a random subset that is the same in each call; None: all videos.
        batch_size: videos per batch.
        workers: processes that read videos.
        device: device to move the model to; None does not move it.
        progress: label of the progress bar on stderr; empty: no bar.

    Returns:
        Statistics by layer name, float ``[videos, ...]``; ``path`` and ``reason`` of unreadable videos.

    Raises:
        SpatempoError: the data is invalid, or no video can be read.
    """
    manifest = manifest_for(model, data)
    if max_videos is not None and max_videos < len(manifest.samples):
        drawn = np.random.Generator(np.random.PCG64(0)).choice(len(manifest.samples), max_videos, replace=False)
        manifest = replace(manifest, samples=tuple(manifest.samples[i] for i in sorted(drawn)))
    move(model, device)
    dataset = ClipDataset(manifest, view_plan(model)[1], train=False)
    rows: dict[str, list[Tensor]] = {name: [] for name in layers}
    unreadable: list[dict[str, str]] = []
    with eval_mode(model), torch.inference_mode(), watch(layers) as seen:
        for batch, clip in batches(dataset, batch_size, device_of(model), workers=workers, progress=progress):
            unreadable += [{key: bad[key] for key in ("path", "reason")} for bad in batch["unreadable"]]
            if clip is not None:
                model(clip.flatten(0, 1))  # [B, 1, C, T, H, W] to [B, C, T, H, W]
                for name, value in seen.items():
                    rows[name].append(measure(value.float()).cpu())
    if len(unreadable) == len(manifest.samples):
        raise SpatempoError(
            f"{manifest.source}: none of its {len(unreadable)} videos can be read; "
            "`spatempo data scan` lists the reason for each"
        )
    return {name: torch.cat(parts) for name, parts in rows.items()}, unreadable


def layer_and_stage(name: str) -> tuple[str, str]:
    """Name of the layer in the backbone, and name of the stage that contains it."""
    layer = name.removeprefix("backbone.").removesuffix(".temporal")
    return layer, layer.split(".")[0]


def mean_and_spread(values: Tensor) -> tuple[float, float | None]:
    """Mean and standard deviation over videos ``[videos]``; the deviation is None for one video."""
    return float(values.mean()), float(values.std()) if len(values) > 1 else None
