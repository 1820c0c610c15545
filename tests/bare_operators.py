"""Runs operators without a network, on clips ``[B, T, C, H, W]``."""

from __future__ import annotations

import torch

from spatempo.operators.base import TemporalOperator
from spatempo.operators.context import ForwardContext
from spatempo.operators.gate_shift import GateShift


def rows(x: torch.Tensor) -> list[list[float]]:
    """Values of a clip with one pixel, one row per frame."""
    return x.reshape(x.shape[1], x.shape[2]).tolist()


def last(x: torch.Tensor) -> torch.Tensor:
    """The same clips in channels-last memory format."""
    return x.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)


def run(module: TemporalOperator, clip: torch.Tensor) -> torch.Tensor:
    """Runs an operator on whole clips, with frames folded into the batch as in a network."""
    module.context.open(clip.shape[1])
    try:
        return module(clip.flatten(0, 1)).unflatten(0, clip.shape[:2])
    finally:
        module.context.close()


def steps(module: TemporalOperator, clip: torch.Tensor, *lengths: int) -> torch.Tensor:
    """Runs an operator step by step on parts of these lengths."""
    past, parts = None, []
    for part in clip.split(list(lengths), 1):
        module.context.open_step(part.shape[1], past)
        try:
            parts.append(module(part.flatten(0, 1)).unflatten(0, part.shape[:2]))
        finally:
            past = module.context.close()
        assert len(past) == len(module.state_names)
    return torch.cat(parts, 1)


def random_gate(channels: int = 4, kind: type[GateShift] = GateShift, **options: bool) -> GateShift:
    """A gate shift with open gates, in eval mode."""
    module = kind(ForwardContext(), channels, **options)
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.uniform_(-0.7, 0.7, generator=draw)
        module.bn.running_mean.uniform_(-0.3, 0.3, generator=draw)  # pyright: ignore[reportOptionalMemberAccess]
        module.bn.running_var.uniform_(0.5, 2, generator=draw)  # pyright: ignore[reportOptionalMemberAccess]
    return module.eval()


def clips(frames: int = 5, channels: int = 4, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, frames, channels, 3, 4, generator=torch.Generator().manual_seed(frames))
