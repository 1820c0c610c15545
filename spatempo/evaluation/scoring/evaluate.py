"""Tests a model on labelled videos."""

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
    """Scores every video of `data` and counts the metrics.

    A video that cannot be read is counted and named in ``unreadable``, never replaced, and not in ``n``.

    Args:
        model: a video model, or another :class:`~spatempo.evaluation.classifier.ClipClassifier`. A torch module is put
            in eval mode for the time, and moved to `device` when one is given.
        data: a manifest, or what :func:`~spatempo.data.manifest.load_manifest` takes.
        protocol: a published one by name, or your own; None: `clips` x `crops`, 1 x 1 if these are None too.
        clips, crops: views per video; not together with `protocol`.
        batch_size: views in one call of the model. Videos of more views than that go through in parts, so memory is
            bounded whatever the protocol.
        workers: processes that read videos; 0 reads in this one.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ...; None leaves the model where it is.
        progress: a progress bar on stderr.

    Raises:
        SpatempoError: data that cannot be used, class names that are not the model's, no readable video.
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
