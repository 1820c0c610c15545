"""Accuracy in order and with shuffled frames, in one pass over the videos.

``compare`` runs this for every model. :mod:`spatempo.evaluation.order.orders` evaluates one model in more detail.
"""

from __future__ import annotations

import torch

from spatempo.data.dataset import ClipDataset
from spatempo.data.manifest import Manifest
from spatempo.evaluation.classifier import ClipClassifier
from spatempo.evaluation.order.orders import frame_orders, relative_change, reorder
from spatempo.evaluation.results.eval_result import EvalResult
from spatempo.evaluation.results.families import TIE
from spatempo.evaluation.running import device_of, eval_mode
from spatempo.evaluation.scoring.loading import batches, manifest_for
from spatempo.evaluation.scoring.protocols import Protocol
from spatempo.evaluation.scoring.scores import Scores, score_views
from spatempo.evaluation.scoring.view_plan import view_plan

SHUFFLES = 3  # the first permutations of `diagnose`


def evaluate_shuffled(
    model: ClipClassifier,
    data: Manifest,
    *,
    protocol: str | Protocol | None = None,
    shuffles: int = SHUFFLES,
    batch_size: int = 16,
    workers: int = 0,
    progress: str = "",
) -> tuple[EvalResult, list[float]]:
    """Score every video as :func:`~spatempo.evaluation.scoring.evaluate.evaluate` does, and again with shuffled frames.

    The frames of every view are permuted; the permutations are the same for all videos. Score changes up to `TIE` are
    treated as rounding, so the accuracy of an order-blind model does not change at all.

    Args:
        model: a :class:`~spatempo.evaluation.classifier.ClipClassifier`, on its device.
        data: labelled videos.
        protocol: as in `evaluate`.
        shuffles: number of permutations.
        batch_size: views per call of the model.
        workers: processes that read videos.
        progress: label of the progress bar; empty: no bar.

    Returns:
        The result in order, and the top-1 accuracy for each permutation. The list is empty for clips of one frame,
        which have no order.

    Raises:
        SpatempoError: as `evaluate`.
    """
    manifest = manifest_for(model, data)
    plan, preprocess = view_plan(model, protocol)
    frames = preprocess.frames
    orders = frame_orders(frames, shuffles=shuffles) if frames > 1 else {}
    orders = {name: order for name, order in orders.items() if name.startswith("shuffled")}
    results = {name: Scores(len(manifest.classes)) for name in ("ordered", *orders)}
    dataset = ClipDataset(manifest, preprocess, train=False, clips=plan.clips, crops=plan.crops)
    videos = max(1, batch_size // plan.views)
    with eval_mode(model), torch.inference_mode():
        for batch, clip in batches(dataset, videos, device_of(model), workers=workers, progress=progress):
            if clip is None:
                for scores in results.values():
                    scores.add_batch(batch, None)
                continue
            in_order = score_views(model, clip, chunk=batch_size, average=plan.average)
            results["ordered"].add_batch(batch, in_order)
            for name, order in orders.items():
                shuffled = reorder(clip.flatten(0, 1), order).unflatten(0, clip.shape[:2])
                score = score_views(model, shuffled, chunk=batch_size, average=plan.average)
                same = relative_change(score, in_order) <= TIE
                results[name].add_batch(batch, torch.where(same[:, None], in_order, score))
    paths = [sample.path for sample in manifest.samples]
    record = {"paths": paths, "clips": plan.clips, "crops": plan.crops, "average": plan.average}
    ordered = results.pop("ordered").result(manifest.classes, **record)
    return ordered, [scores.result(manifest.classes).top1 for scores in results.values()]
