"""A causal model shown each clip frame by frame, as a camera would: its accuracy live, to hold against that offline.

>>> evaluate(Live(model), "test.csv").top1 == evaluate(model, "test.csv").top1
True
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spatempo.models.video_model import VideoModel


def score_live(model: VideoModel, clip: Tensor) -> Tensor:
    """Scores of clips after their last frame, when each was seen once, in turn, and only the state was kept.

    Args:
        model: causal, in eval mode.
        clip: ``[B, 3, T, H, W]``, normalised; T a multiple of ``model.step_frames``.

    Returns:
        ``[B, K]``, which is ``model(clip)`` up to rounding.

    Raises:
        SpatempoError: the model looks at future frames, or T is no multiple.
    """
    height, width = clip.shape[-2:]
    state = model.init_state(len(clip), (height, width), dtype=clip.dtype, device=clip.device)
    logits = clip.new_zeros(len(clip), model.num_classes)
    for frames in clip.split(model.step_frames, 2):
        logits, state = model.step(frames, state)
    return logits


class Live(nn.Module):
    """Stands in for a causal model where clips are scored: ``evaluate(Live(model), data)``.

    Args:
        model: causal.
    """

    def __init__(self, model: VideoModel) -> None:
        super().__init__()
        self.model = model
        self.classes = model.classes
        self.preprocess = model.preprocess

    @torch.no_grad()
    def forward(self, clip: Tensor) -> Tensor:
        """``[B, 3, T, H, W] -> [B, K]``."""
        return score_live(self.model, clip)
