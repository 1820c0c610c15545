"""Evaluation of a causal model frame by frame, as on a live stream, to compare with evaluation on complete clips.

>>> evaluate(Live(model), "test.csv").top1 == evaluate(model, "test.csv").top1
True
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spatempo.models.video_model import VideoModel


def score_live(model: VideoModel, clip: Tensor) -> Tensor:
    """Scores of clips after their last frame. Each frame is processed once, in order, and only the state is kept.

    Args:
        model: causal, in eval mode.
        clip: ``[B, 3, T, H, W]``, normalised; T a multiple of ``model.step_frames``.

    Returns:
        ``[B, K]``, equal to ``model(clip)`` except for rounding.

    Raises:
        SpatempoError: the model is not causal, or T is not a multiple of ``model.step_frames``.
    """
    height, width = clip.shape[-2:]
    state = model.init_state(len(clip), (height, width), dtype=clip.dtype, device=clip.device)
    logits = clip.new_zeros(len(clip), model.num_classes)
    for frames in clip.split(model.step_frames, 2):
        logits, state = model.step(frames, state)
    return logits


class Live(nn.Module):
    """Wrapper that scores clips frame by frame: ``evaluate(Live(model), data)``.

    Args:
        model: a causal model.
    """

    def __init__(self, model: VideoModel) -> None:
        super().__init__()
        self.model = model
        self.classes = model.classes
        self.preprocess = model.preprocess

    @torch.no_grad()
    def forward(self, clip: Tensor) -> Tensor:
        """Score clips: ``[B, 3, T, H, W] -> [B, K]``."""
        return score_live(self.model, clip)
