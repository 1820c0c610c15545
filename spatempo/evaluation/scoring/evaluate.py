"""Evaluate a model on labelled videos."""

from __future__ import annotations

from pathlib import Path

import torch

from spatempo.data.dataset import ClipDataset
from spatempo.data.manifest import Manifest
from spatempo.evaluation.classifier import ClipClassifier
from spatempo.evaluation.results.eval_result import EvalResult
from spatempo.evaluation.results.families import families
from spatempo.evaluation.running import device_of, eval_mode, move
from spatempo.evaluation.scoring.loading import batches, manifest_for
from spatempo.evaluation.scoring.protocols import Protocol
from spatempo.evaluation.scoring.scores import Scores, score_views
from spatempo.evaluation.scoring.view_plan import view_plan
from spatempo.limits import check_number

__all__ = ["EvalResult", "evaluate", "families", "view_plan"]


def evaluate(
    model: ClipClassifier,
    data: Manifest | str | Path,
    *,
    protocol: str | Protocol | None = None,
    clips: int | None = None,
    crops: int | None = None,
    batch_size: int = 16,
    workers: int = 0,
    device: str | torch.device | None = None,
    progress: bool = False,
) -> EvalResult:
    """Score every video of `data` and compute the metrics.

    A video that cannot be read is listed in ``unreadable`` and not counted in ``n``. It is not replaced.

    Args:
        model: a video model, or another :class:`~spatempo.evaluation.classifier.ClipClassifier`. A torch module is in
            eval mode during the call, and is moved to `device` if one is given.
        data: a manifest, or any source that :func:`~spatempo.data.manifest.load_manifest` accepts.
        protocol: name of a published protocol, or a :class:`~spatempo.evaluation.scoring.protocols.Protocol`; None:
            `clips` x `crops` views.
        clips, crops: clips per video and crops per clip, 1 by default; cannot be combined with `protocol`.
        batch_size: views per call of the model. Videos with more views are processed in several calls, so memory is
            bounded for all protocols.
        workers: processes that read videos; 0 reads in the main process.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ...; None does not move the model.
        progress: show a progress bar on stderr.

    Raises:
        SpatempoError: the data is invalid, its classes differ from the model's, or no video can be read.
    """
    check_number("batch_size", batch_size)
    check_number("workers", workers)
    manifest = manifest_for(model, data)
    plan, preprocess = view_plan(model, protocol, clips, crops)
    dataset = ClipDataset(manifest, preprocess, train=False, clips=plan.clips, crops=plan.crops)
    move(model, device)
    videos = max(1, batch_size // plan.views)
    scores = Scores(len(manifest.classes))
    with eval_mode(model), torch.inference_mode():
        for batch, clip in batches(
            dataset, videos, device_of(model), workers=workers, progress="test" if progress else ""
        ):
            found = None if clip is None else score_views(model, clip, chunk=batch_size, average=plan.average)
            scores.add_batch(batch, found)
    paths = [sample.path for sample in manifest.samples]
    return scores.result(manifest.classes, paths=paths, clips=plan.clips, crops=plan.crops, average=plan.average)
