"""Statistics of the gates of gated shifts (GSM, GSF), and of the fusion weights of GSF."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spatempo.data.manifest import Manifest
from spatempo.errors import SpatempoError
from spatempo.evaluation.inside.layer_outputs import layer_and_stage, mean_and_spread, measure_layers
from spatempo.evaluation.running import eval_mode
from spatempo.models.video_model import VideoModel
from spatempo.operators.gate_shift import gate_layers
from spatempo.operators.gate_shift_fuse import fusion_layers
from spatempo.operators.watch import watch

FULLY_OPEN = 0.9
"""Absolute value above which a gate shifts almost all of its input."""


@dataclass(frozen=True)
class Gates:
    """Gate statistics over videos, frames and pixels.

    Attributes:
        open: mean absolute value of the gates, 0 to 1.
        spread: standard deviation of `open` over the videos; None for one video.
        mean: signed mean of the gates.
        fully_open: fraction of gates with an absolute value above 0.9.
        fusion_weight: GSF's weight of the shifted features; the features that stay have the weight
            ``1 - fusion_weight``. None for GSM.
    """

    open: float
    spread: float | None
    mean: float
    fully_open: float
    fusion_weight: float | None


@dataclass(frozen=True)
class HalfGates(Gates):
    """Statistics of one half of the gated channels, which come from the ``"next"`` or the ``"previous"`` frame."""

    source_frame: str


@dataclass(frozen=True)
class LayerGates(Gates):
    """Statistics of one layer and of its two halves."""

    layer: str
    stage: str
    halves: list[HalfGates]


@dataclass(frozen=True)
class GateStatistics(Gates):
    """Statistics of a network (mean over layers and halves) and of each layer, on `n` videos.

    ``unreadable`` contains ``{"path", "reason"}`` of the videos that could not be read.
    """

    n: int
    layers: list[LayerGates]
    unreadable: list[dict[str, str]]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types, the same keys; without ``fusion_weight`` if it is None."""
        return asdict(self, dict_factory=_without_fusion)


def gate_statistics(
    model: VideoModel,
    data: Manifest | str | Path,
    *,
    max_videos: int | None = None,
    batch_size: int = 8,
    workers: int = 0,
    device: str | torch.device | None = None,
    progress: str = "",
) -> GateStatistics:
    """Measure the gates of each layer and of each half of its gated channels, over videos, frames and pixels.

    A gate of 0 shifts nothing and a gate of 1 shifts the complete feature. A gate of -1 shifts the negated feature and
    doubles the part that stays. The opening of a gate is its absolute value.

    Args:
        model: a model with gated shifts (GSM or GSF). It is in eval mode during the call.
        data, max_videos, batch_size, workers, device, progress: as in
            :func:`~spatempo.evaluation.inside.attention.attention_weights`.

    Raises:
        SpatempoError: the model has no gated shift, or no video can be read.
    """
    gates, fusions = gate_layers(model), fusion_layers(model)
    if not gates:
        raise SpatempoError("this model has no gated shift; use a model such as gsm_resnet50 or gsf_resnet50")
    found, unreadable = measure_layers(
        model,
        data,
        gates | {_fusion_key(name): layer for name, layer in fusions.items()},
        _half_statistics,
        max_videos=max_videos,
        batch_size=batch_size,
        workers=workers,
        device=device,
        progress=progress,
    )
    # [videos, layers, halves, statistics]: three statistics, and the fusion weight if every layer has one
    fused = len(fusions) == len(gates)
    parts = [torch.cat([found[name], found[_fusion_key(name)]], 2) if fused else found[name] for name in gates]
    values = torch.stack(parts, 1)
    layers = []
    for i, name in enumerate(gates):
        sources = ("previous" if getattr(model.get_submodule(name), "causal", False) else "next", "previous")
        halves = [HalfGates(**_row(values[:, i, [half]]), source_frame=source) for half, source in enumerate(sources)]
        layer, stage = layer_and_stage(name)
        layers.append(LayerGates(**_row(values[:, i]), layer=layer, stage=stage, halves=halves))
    return GateStatistics(**_row(values), n=len(values), layers=layers, unreadable=unreadable)


def gate_maps(model: VideoModel, clip: Tensor) -> dict[str, Tensor]:
    """The gates of one clip.

    Args:
        model: a model with gated shifts.
        clip: ``[1, C, T, H, W]``.

    Returns:
        Layer name (as in ``gate_statistics``) -> gates ``[T, 2, H', W']`` between -1 and 1: frame, half, pixel.
    """
    with eval_mode(model), torch.inference_mode(), watch(gate_layers(model)) as seen:
        model(clip)
    return {layer_and_stage(name)[0]: values[0].float().cpu() for name, values in seen.items()}


def _fusion_key(name: str) -> str:
    return f"{name} fusion"


def _half_statistics(values: Tensor) -> Tensor:
    """Statistics per half: three for gates ``[B, T, 2, H, W]``, one for fusion weights ``[B, T, C]``."""
    if values.ndim == 3:
        return values.unflatten(2, (2, -1)).mean((1, 3))[..., None]
    measured = (values, values.abs(), (values.abs() > FULLY_OPEN).float())
    return torch.stack([each.mean((1, 3, 4)) for each in measured], 2)


def _row(values: Tensor) -> dict[str, Any]:
    """Fields of :class:`Gates` from ``[videos, ..., statistics]``, averaged over all axes but the last."""
    mean, opening, full, *fusion = values.flatten(1, -2).mean(1).unbind(1)
    average, spread = mean_and_spread(opening)
    weight = float(fusion[0].mean()) if fusion else None
    return {
        "open": average,
        "spread": spread,
        "mean": float(mean.mean()),
        "fully_open": float(full.mean()),
        "fusion_weight": weight,
    }


def _without_fusion(items: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in items if key != "fusion_weight" or value is not None}
