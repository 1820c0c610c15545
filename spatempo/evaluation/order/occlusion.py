"""Importance of each frame: drop in the score of the true class when the frame is removed."""

from __future__ import annotations

import torch
from torch import Tensor

from spatempo.evaluation.classifier import ClipClassifier
from spatempo.evaluation.running import eval_mode
from spatempo.evaluation.scoring.scores import score_views


def occlude_frames(model: ClipClassifier, clip: Tensor, label: int, *, chunk: int = 8) -> Tensor:
    """Replace each frame in turn by its neighbour and measure the change in the score.

    The neighbour is the frame before (for the first frame, the frame after). So the clip keeps its length, contains
    only real images, and loses only the content of this frame.

    Args:
        clip: ``[1, 3, T, H, W]``, T of 2 or more.
        label: index of the true class.
        chunk: clips per call of the model.

    Returns:
        ``[T]``: score of the true class (softmax, as in ``predict``) with all frames, minus the score without frame t.
        Negative if the frame misled the model.
    """
    frames = clip.shape[2]
    shown = torch.arange(frames).repeat(frames + 1, 1)  # one row per clip; the last row has all frames
    shown[range(frames), range(frames)] = torch.tensor([1, *range(frames - 1)])
    scores = []
    with eval_mode(model), torch.inference_mode():
        for rows in shown.split(chunk):
            clips = torch.cat([clip[:, :, row] for row in rows]).contiguous(memory_format=torch.channels_last_3d)
            scores.append(score_views(model, clips).softmax(1)[:, label].cpu())
    score = torch.cat(scores)
    return score[-1] - score[:-1]
