"""Which frames one frame's logits depend on, measured: by their gradient with respect to every frame of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from spatempo.evaluation.running import eval_mode
from spatempo.models.video_model import VideoModel

NOTHING = 1e-8
"""Of a row's largest gradient; smaller ones are the rounding of convolutions computed by transforms."""


@dataclass(frozen=True)
class ReceptiveField:
    """The measured temporal receptive field.

    Attributes:
        frames: the most that one position depends on.
        clip_frames: T; the field cannot be larger.
        past, future: frames back and ahead; None where positions are not frames.
        own: fraction of the gradient that falls on the frame itself, a mean; None where positions are not frames.
        share: ``[T'][T]``, fractions of the gradient; rows sum to 1.
    """

    frames: int
    clip_frames: int
    past: int | None
    future: int | None
    own: float | None
    share: list[list[float]]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types, the same keys."""
        return asdict(self)


def influence(model: VideoModel, clip: Tensor, *, seed: int = 0) -> Tensor:
    """How strongly every frame of a clip acts on the logits of every frame.

    Row t' is the norm, frame by frame, of the gradient of the logits at t' in one random direction of the class space:
    it is zero only where the whole Jacobian is (but for chance of measure zero), and no single class decides.

    Args:
        clip: ``[1, 3, T, H, W]``.
        seed: of the direction.

    Returns:
        ``[T', T]``, T' being the temporal positions that :meth:`VideoModel.forward_frames` gives.
    """
    clip = clip.detach().clone().requires_grad_()
    with eval_mode(model), torch.enable_grad():
        logits = model.forward_frames(clip)[0]
        direction = torch.randn(logits.shape[1], generator=torch.Generator().manual_seed(seed)).to(logits)
        rows = [torch.autograd.grad(frame @ direction, clip, retain_graph=True)[0] for frame in logits]
    return torch.stack([row[0].float().pow(2).sum((0, 2, 3)).sqrt() for row in rows]).cpu()


def receptive_field(influences: Sequence[Tensor]) -> ReceptiveField:
    """The temporal receptive field out of the influences of a few clips (a ReLU may be shut in one).

    Args:
        influences: ``[T', T]`` each, of :func:`influence`.
    """
    reached = torch.stack([row > NOTHING * row.amax(1, keepdim=True) for row in influences]).any(0)
    share = torch.stack([row / row.sum(1, keepdim=True).clamp_min(1e-30) for row in influences]).mean(0)
    positions, frames = reached.shape
    of_frames = positions == frames
    ahead = [t - own for own, t in reached.nonzero().tolist()]
    return ReceptiveField(
        frames=int(reached.sum(1).max()),
        clip_frames=frames,
        past=max((-d for d in ahead), default=0) if of_frames else None,
        future=max(ahead, default=0) if of_frames else None,
        own=float(share.diagonal().mean()) if of_frames else None,
        share=share.tolist(),
    )
