"""What layers of a network put out while it is shown videos: what attention.py and gates.py count.

All of it is what the forward pass itself used (:mod:`spatempo.operators.watch`); nothing is computed a second time.
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


def by_video(
    model: VideoModel,
    data: Manifest | str | Path,
    layers: Mapping[str, nn.Module],
    measure: Callable[[Tensor], Tensor],
    *,
    most: int | None,
    batch_size: int,
    workers: int,
    device: str | torch.device | None,
    progress: str,
) -> tuple[dict[str, Tensor], list[dict[str, str]]]:
    """Shows the model one centre view of every video.

    Args:
        model: put in eval mode for the time.
        data: a manifest, or what :func:`~spatempo.data.manifest.load_manifest` takes.
        layers: those to watch, by name.
        measure: of what one of them put out for a batch, ``[B, ...]``, what is wanted of each video, ``[B, ...]``.
        most: of the videos, drawn by chance but the same ones every time; None: all.
        batch_size: videos at a time.
        workers: processes that read videos.
        device: where to move the model; None leaves it where it is.
        progress: what the bar on stderr says; empty: none.

    Returns:
        What was measured, float ``[videos, ...]`` by the layers' names; ``path`` and ``reason`` of unreadable videos.

    Raises:
        SpatempoError: data that cannot be used, or no video that can be read.
    """
    manifest = manifest_for(model, data)
    if most is not None and most < len(manifest.samples):
        drawn = np.random.Generator(np.random.PCG64(0)).choice(len(manifest.samples), most, replace=False)
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
        raise SpatempoError(f"{manifest.source}: none of its {len(unreadable)} videos can be read")
    return {name: torch.cat(parts) for name, parts in rows.items()}, unreadable


def place(name: str) -> tuple[str, str]:
    """Which layer of the backbone it is and of which stage: the backbone's own name for a run of blocks."""
    layer = name.removeprefix("backbone.").removesuffix(".temporal")
    return layer, layer.split(".")[0]


def mean_and_spread(values: Tensor) -> tuple[float, float | None]:
    """The mean over the videos ``[videos]``, and their standard deviation; None of one video."""
    return float(values.mean()), float(values.std()) if len(values) > 1 else None
