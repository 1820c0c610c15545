"""Measured temporal receptive field: gradients of each frame's logits with respect to all frames of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from spatempo.evaluation.running import eval_mode
from spatempo.models.video_model import VideoModel

NEGLIGIBLE = 1e-8
"""Fraction of a row's largest gradient. Smaller gradients are rounding errors of transform-based convolutions."""


@dataclass(frozen=True)
class ReceptiveField:
    """Measured temporal receptive field.

    Attributes:
        frames: largest number of frames that one output position depends on.
        clip_frames: T, the number of frames of the clip and the upper limit of `frames`.
        past, future: frames before and after; None if output positions are not frames (T' != T).
        own: mean fraction of the gradient on the frame itself; None if output positions are not frames.
        fractions: ``[T'][T]``, fraction of the gradient on each frame; rows sum to 1.
    """

    frames: int
    clip_frames: int
    past: int | None
    future: int | None
    own: float | None
    fractions: list[list[float]]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types, the same keys."""
        return asdict(self)


def influence(model: VideoModel, clip: Tensor, *, seed: int = 0) -> Tensor:
    """Influence of every frame of a clip on the logits at every output position.

    Row t' contains, for each frame, the norm of the gradient of the logits at t' in one random direction of the class
    space. It is zero only if the complete Jacobian is zero (with probability 1), and it does not depend on one class.

    Args:
        clip: ``[1, 3, T, H, W]``.
        seed: random seed of the direction.

    Returns:
        ``[T', T]``, where T' is the number of temporal positions of :meth:`VideoModel.forward_frames`.
    """
    clip = clip.detach().clone().requires_grad_()
    with eval_mode(model), torch.enable_grad():
        logits = model.forward_frames(clip)[0]
        direction = torch.randn(logits.shape[1], generator=torch.Generator().manual_seed(seed)).to(logits)
        rows = [torch.autograd.grad(frame @ direction, clip, retain_graph=True)[0] for frame in logits]
    return torch.stack([row[0].float().pow(2).sum((0, 2, 3)).sqrt() for row in rows]).cpu()


def receptive_field(influences: Sequence[Tensor]) -> ReceptiveField:
    """Temporal receptive field from the influences of a few clips.

    Several clips are needed because a ReLU can block the gradient in one clip.

    Args:
        influences: results of :func:`influence`, ``[T', T]`` each.
    """
    reached = torch.stack([row > NEGLIGIBLE * row.amax(1, keepdim=True) for row in influences]).any(0)
    fraction = torch.stack([row / row.sum(1, keepdim=True).clamp_min(1e-30) for row in influences]).mean(0)
    positions, frames = reached.shape
    per_frame = positions == frames
    ahead = [t - own for own, t in reached.nonzero().tolist()]
    return ReceptiveField(
        frames=int(reached.sum(1).max()),
        clip_frames=frames,
        past=max((-d for d in ahead), default=0) if per_frame else None,
        future=max(ahead, default=0) if per_frame else None,
        own=float(fraction.diagonal().mean()) if per_frame else None,
        fractions=fraction.tolist(),
    )
