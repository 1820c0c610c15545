"""How far the gates of gated shifts (GSM, GSF) open, and how GSF fuses, as plain numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
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


@dataclass(frozen=True)
class Gates:
    """How far gates are open, a mean over videos, frames and pixels.

    Attributes:
        open: mean of their absolute value, 0 to 1.
        spread: its standard deviation over the videos; None of one video.
        mean: mean with its sign.
        full: fraction of gates beyond 0.9 either way.
        fusion: GSF's weight of what comes in; what stays has the rest. None of GSM.
    """

    open: float
    spread: float | None
    mean: float
    full: float
    fusion: float | None


@dataclass(frozen=True)
class HalfGates(Gates):
    """One half of the gated channels, which come from the ``"next"`` or the ``"previous"`` frame."""

    comes_from: str


@dataclass(frozen=True)
class LayerGates(Gates):
    """One layer and its two halves."""

    layer: str
    stage: str
    halves: list[HalfGates]


@dataclass(frozen=True)
class GateStatistics(Gates):
    """A network: the mean over its layers and halves, and each layer; of `n` videos.

    ``unreadable`` has ``{"path", "reason"}`` of the videos that could not be read.
    """

    n: int
    layers: list[LayerGates]
    unreadable: list[dict[str, str]]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types, the same keys; without ``fusion`` where there is none."""
        return asdict(self, dict_factory=_without_fusion)


def gate_statistics(
    model: VideoModel,
    data: Manifest | str | Path,
    *,
    most: int | None = None,
    batch_size: int = 8,
    workers: int = 0,
    device: str | torch.device | None = None,
    progress: str = "",
) -> GateStatistics:
    """How far gates open: of each layer and each half of its gated channels, over videos, frames and pixels.

    A gate of 0 moves nothing, one of 1 all that is there; one of -1 moves all of it with its sign turned, and doubles
    what stays. How far it is open is its absolute value.

    Args:
        model: with gated shifts, GSM's or GSF's; put in eval mode for the time.
        data, most, batch_size, workers, device, progress: as for
            :func:`~spatempo.evaluation.inside.attention.attention_shares`.

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
        halves = [HalfGates(**_row(values[:, i, [half]]), comes_from=source) for half, source in enumerate(sources)]
        layer, stage = place(name)
        layers.append(LayerGates(**_row(values[:, i]), layer=layer, stage=stage, halves=halves))
    return GateStatistics(**_row(values), n=len(values), layers=layers, unreadable=unreadable)


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
    return {place(name)[0]: values[0].float().cpu() for name, values in seen.items()}


def _fusion(name: str) -> str:
    return f"{name} fusion"


def _of_clips(values: Tensor) -> Tensor:
    """What is wanted of each half: of gates ``[B, T, 2, H, W]`` three numbers, of fusion weights ``[B, T, C]`` one."""
    if values.ndim == 3:
        return values.unflatten(2, (2, -1)).mean((1, 3))[..., None]
    measured = (values, values.abs(), (values.abs() > FULL).float())
    return torch.stack([each.mean((1, 3, 4)) for each in measured], 2)


def _row(values: Tensor) -> dict[str, Any]:
    """The fields of :class:`Gates` from ``[videos, ..., numbers]``, over the videos and all between."""
    mean, opening, full, *fusion = values.flatten(1, -2).mean(1).unbind(1)
    average, spread = mean_and_spread(opening)
    weight = float(fusion[0].mean()) if fusion else None
    return {"open": average, "spread": spread, "mean": float(mean.mean()), "full": float(full.mean()), "fusion": weight}


def _without_fusion(items: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in items if key != "fusion" or value is not None}
