"""Validation during training, with the scores of the evaluation package; exact on any number of devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from spatempo.evaluation.results.eval_result import EvalResult
from spatempo.evaluation.running import eval_mode
from spatempo.evaluation.scoring.scores import Scores, score_views
from spatempo.models.video_model import VideoModel


@torch.no_grad()
def validate(
    model: VideoModel,
    loader: DataLoader[Any],
    device: torch.device,
    classes: tuple[str, ...],
    *,
    each: Callable[[int, list[str]], None],
) -> EvalResult:
    """Scores every clip once; gives the same accuracy as ``test`` with one centre view.

    Always computes in 32 bit, as ``test`` and ``predict`` do, even if training uses another precision. Under DDP every
    process must call it. Each scores a part of the clips, and all get the same result.

    Args:
        model: the model without wrappers; its train or eval mode is restored.
        loader: loader of the clips of this device, see :class:`~spatempo.learning.batches.EvalSampler`.
        device: device of the model.
        classes: class names, for the result.
        each: called after every batch with the number of batches done and the errors of unreadable clips. An exception
            that it raises ends the validation.
    """
    scores = Scores(len(classes))
    with eval_mode(model), torch.autocast(device.type, enabled=False):
        for done, batch in enumerate(loader, 1):
            clip = batch["clip"]
            readable = len(batch["label"]) > 0
            scores.add_batch(batch, score_views(model, clip.to(device, non_blocking=True)) if readable else None)
            each(done, batch["errors"])
    return scores.gather().result(classes)


def mean_loss(result: EvalResult) -> float:
    """Mean cross-entropy over the videos, in nats, computed from the scores (mean logits over views)."""
    scores = result.scores.astype(np.float64)
    top = scores.max(1, keepdims=True)
    log_sum = np.log(np.exp(scores - top).sum(1)) + top[:, 0]
    return float((log_sum - scores[np.arange(len(scores)), result.labels]).mean())
