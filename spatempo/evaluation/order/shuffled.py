"""Accuracy in order and with the frames shuffled, in one go over the videos: how much of it is order.

What ``compare`` asks of every model; :mod:`spatempo.evaluation.order.orders` asks more of one.
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

SHUFFLES = 3  # the first of those that `diagnose` shows


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
    """Scores every video as :func:`~spatempo.evaluation.scoring.evaluate.evaluate` does, and with its frames shuffled.

    The frames of every view are put in another order; the permutations are the same for all videos. Scores that change
    by rounding alone count as unchanged (`TIE`), so a model that sees no order keeps its accuracy exactly.

    Args:
        model: with ``preprocess`` and ``classes``, on its device.
        data: its videos.
        protocol: as in `evaluate`.
        shuffles: how many permutations.
        batch_size: views in one call of the model.
        workers: processes that read videos.
        progress: what the bar says; empty: none.

    Returns:
        The result in order, and top-1 for each permutation; none for clips of one frame, which have no order.

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
                moved = reorder(clip.flatten(0, 1), order).unflatten(0, clip.shape[:2])
                score = score_views(model, moved, chunk=batch_size, average=plan.average)
                same = relative_change(score, in_order) <= TIE
                results[name].add_batch(batch, torch.where(same[:, None], in_order, score))
    paths = [sample.path for sample in manifest.samples]
    record = {"paths": paths, "clips": plan.clips, "crops": plan.crops, "average": plan.average}
    ordered = results.pop("ordered").result(manifest.classes, **record)
    return ordered, [scores.result(manifest.classes).top1 for scores in results.values()]
