"""How far the gates of gated shifts (GSM, GSF) open, and how GSF fuses, as plain numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spatempo.data.manifest import Manifest
from spatempo.errors import SpatempoError
from spatempo.evaluation.inside.layer_outputs import by_video, mean_and_spread, place
from spatempo.evaluation.running import eval_mode
from spatempo.models.video_model import VideoModel
from spatempo.operators.gate_shift import gate_layers
from spatempo.operators.gate_shift_fuse import fusion_layers
from spatempo.operators.watch import watch

FULL = 0.9
"""Of a gate, either way; beyond it all but everything moves."""


def gate_statistics(
    model: VideoModel,
    data: Manifest | str | Path,
    *,
    most: int | None = None,
    batch_size: int = 8,
    workers: int = 0,
    device: str | torch.device | None = None,
    progress: str = "",
) -> dict[str, Any]:
    """How far gates open: of each layer and each half of its gated channels, over videos, frames and pixels.

    A gate of 0 moves nothing, one of 1 all that is there; one of -1 moves all of it with its sign turned, and doubles
    what stays. How far it is open is its absolute value.

    Args:
        model: with gated shifts, GSM's or GSF's; put in eval mode for the time.
        data, most, batch_size, workers, device, progress: as for
            :func:`~spatempo.evaluation.inside.attention.attention_shares`.

    Returns:
        ``n`` (videos); ``open`` and ``spread`` (how far gates are open, the mean over all layers and halves, and its
        standard deviation from video to video; None of one video), ``mean`` (with its sign), ``full`` (share of gates
        beyond 0.9 either way), of GSF also ``fusion`` (weight of what comes in; what stays has the rest); the same in
        ``layers`` (a list, with ``layer, stage``) and in the two ``halves`` of each, with ``comes_from``: the
        ``"next"`` frame or the ``"previous"`` one; ``unreadable``.

    Raises:
        SpatempoError: no gated shift in the model, or no video that can be read.
    """
    gates, fusions = gate_layers(model), fusion_layers(model)
    if not gates:
        raise SpatempoError("this model has no gated shift: give one such as gsm_resnet50 or gsf_resnet50")
    found, unreadable = by_video(
        model,
        data,
        gates | {_fusion(name): layer for name, layer in fusions.items()},
        _of_clips,
        most=most,
        batch_size=batch_size,
        workers=workers,
        device=device,
        progress=progress,
    )
    # [videos, layers, halves, numbers]; three numbers, and the fusion's weight where every layer has one
    fused = len(fusions) == len(gates)
    parts = [torch.cat([found[name], found[_fusion(name)]], 2) if fused else found[name] for name in gates]
    values = torch.stack(parts, 1)
    layers = []
    for i, name in enumerate(gates):
        sources = ("previous" if getattr(model.get_submodule(name), "causal", False) else "next", "previous")
        halves = [{"comes_from": source, **_row(values[:, i, [half]])} for half, source in enumerate(sources)]
        layers.append({**place(name), **_row(values[:, i]), "halves": halves})
    return {"n": len(values), **_row(values), "layers": layers, "unreadable": unreadable}


def gate_maps(model: VideoModel, clip: Tensor) -> dict[str, Tensor]:
    """The gates of one clip.

    Args:
        model: with gated shifts.
        clip: ``[1, C, T, H, W]``.

    Returns:
        By layer, as ``gate_statistics`` names them, ``[T, 2, H', W']`` in -1 .. 1: frame, half, pixel of that layer.
    """
    with eval_mode(model), torch.inference_mode(), watch(gate_layers(model)) as seen:
        model(clip)
    return {place(name)["layer"]: values[0].float().cpu() for name, values in seen.items()}


def _fusion(name: str) -> str:
    return f"{name} fusion"


def _of_clips(values: Tensor) -> Tensor:
    """What is wanted of each half: of gates ``[B, T, 2, H, W]`` three numbers, of fusion weights ``[B, T, C]`` one."""
    if values.ndim == 3:
        return values.unflatten(2, (2, -1)).mean((1, 3))[..., None]
    measured = (values, values.abs(), (values.abs() > FULL).float())
    return torch.stack([each.mean((1, 3, 4)) for each in measured], 2)


def _row(values: Tensor) -> dict[str, float | None]:
    """The numbers ``[videos, ..., numbers]``, over the videos and all between."""
    mean, opening, full, *fusion = values.flatten(1, -2).mean(1).unbind(1)
    row = {**mean_and_spread("open", opening), "mean": float(mean.mean()), "full": float(full.mean())}
    return {**row, "fusion": float(fusion[0].mean())} if fusion else row
