"""Which frames mattered: the drop of the true class's score when one of them is taken away."""

from __future__ import annotations

import torch
from torch import Tensor

from spatempo.evaluation.classifier import ClipClassifier
from spatempo.evaluation.running import eval_mode
from spatempo.evaluation.scoring.scores import score_views


def occlude_frames(model: ClipClassifier, clip: Tensor, label: int, *, chunk: int = 8) -> Tensor:
    """Takes every frame away in turn, putting its neighbour's picture in its place.

    The neighbour is the frame before (for the first one, the one after): the clip keeps its length, no picture is
    unlike what the model knows, and only what this frame alone shows is gone.

    Args:
        clip: ``[1, 3, T, H, W]``, T of 2 or more.
        label: the true class.
        chunk: clips in one call of the model.

    Returns:
        ``[T]``: the score (softmax, as ``predict`` gives it) of the true class with all frames, less that without
        frame t. Negative where the frame misled the model.
    """
    frames = clip.shape[2]
    shown = torch.arange(frames).repeat(frames + 1, 1)  # a row a clip; the last is whole
    shown[range(frames), range(frames)] = torch.tensor([1, *range(frames - 1)])
    scores = []
    with eval_mode(model), torch.inference_mode():
        for rows in shown.split(chunk):
            clips = torch.cat([clip[:, :, row] for row in rows]).contiguous(memory_format=torch.channels_last_3d)
            scores.append(score_views(model, clips).softmax(1)[:, label].cpu())
    score = torch.cat(scores)
    return score[-1] - score[:-1]
