"""Validation during training: the evaluation room's scores, on this device's share of the clips, gathered exactly."""

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
    """Scores every clip once and counts; the same number as ``test`` with one centre view gives.

    Always in 32 bit, whatever training computes in, because that is how ``test`` and ``predict`` compute. Under DDP
    every process must call it: each scores its share, and all get the same result.

    Args:
        model: not wrapped; its modes are as before afterwards.
        loader: of this device's share, see :class:`~spatempo.learning.batches.EvalShare`.
        device: where the model is.
        classes: names, for the result.
        each: called after every batch with the number of batches done and the errors of clips that could not be read;
            what it raises ends the validation.
    """
    scores = Scores(len(classes))
    with eval_mode(model), torch.autocast(device.type, enabled=False):
        for done, batch in enumerate(loader, 1):
            clip = batch["clip"]
            readable = len(batch["label"]) > 0
            scores.add_batch(batch, score_views(model, clip.to(device, non_blocking=True)) if readable else None)
            each(done, batch["errors"])
    return scores.gather().result(classes)


def loss_of(result: EvalResult) -> float:
    """Cross-entropy of the scores (mean logits over views), in nats, the mean over the videos."""
    scores = result.scores.astype(np.float64)
    top = scores.max(1, keepdims=True)
    log_sum = np.log(np.exp(scores - top).sum(1)) + top[:, 0]
    return float((log_sum - scores[np.arange(len(scores)), result.labels]).mean())
