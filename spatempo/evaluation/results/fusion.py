"""Fusion of the scores of several networks on the same videos: two-stream fusion of RGB and flow, and ensembles.

Published rules, all for scores that are already averaged over the views of a video:

* TSN: a weighted sum of logits, 1 for RGB and 1.5 for flow (``tools/eval_scores.py``):
  ``fuse(rgb, flow, weights=(1, 1.5), on="logits")``.
* TSM: the mean of logits, both for RGB and flow and for networks with 8 and 16 frames: ``fuse(a, b, on="logits")``.
* R(2+1)D: the mean of softmax scores: ``fuse(rgb, flow)``. The authors' script uses the weights 0.6 and 0.4. It takes
  the softmax of every clip before averaging over clips, as the protocol ``r2plus1d`` does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spatempo.errors import SpatempoError
from spatempo.evaluation.results.eval_result import EvalResult, measure

RULES = {"by": ("path", "index"), "on": ("softmax", "logits")}


def fuse(
    *results: EvalResult, weights: Sequence[float] | None = None, on: str = "softmax", by: str = "path"
) -> EvalResult:
    """Fuse results with a weighted mean of scores.

    Args:
        results: results on the same videos, from :func:`~spatempo.evaluation.scoring.evaluate.evaluate` or from files
            (:func:`~spatempo.evaluation.results.score_files.read_scores`).
        weights: one weight per result; equal by default.
        on: ``"softmax"`` averages probabilities, ``"logits"`` averages logits.
        by: how videos are matched: by ``"path"``, or by ``"index"``, their position in the manifest. Use the index for
            RGB and flow in different folders that are listed in the same order.

    Returns:
        Result whose ``scores`` are mean logits, or logarithms of mean probabilities, so that their softmax is the
        probability in both cases. The order of videos and the numbers of clips and crops are those of the first
        result. Videos that one of the networks could not read are excluded and listed in ``unreadable``.

    Raises:
        SpatempoError: the classes, videos or labels differ (the message names the first video), or the weights are
            invalid.
    """
    weights = [1.0] * len(results) if weights is None else [float(w) for w in weights]
    if not results or len(weights) != len(results):
        raise SpatempoError(f"fusion: {len(results)} results with {len(weights)} weights; give one weight per result")
    if not all(math.isfinite(w) and w >= 0 for w in weights) or sum(weights) <= 0:
        raise SpatempoError(f"fusion: weights are {weights}; give numbers of 0 or more, with a sum above 0")
    for name, value in (("by", by), ("on", on)):
        if value not in RULES[name]:
            raise SpatempoError(f"fusion: {name} is {value!r}; choose from {', '.join(RULES[name])}")
    first = results[0]
    if any(result.classes != first.classes for result in results):
        raise SpatempoError("fusion: classes differ in name or order; test all networks with the same classes")
    unreadable = {row["path"]: row for result in results for row in result.unreadable}
    rows = [_rows(result, by) for result in results]
    keys = [key for key in rows[0] if key not in unreadable]
    _check_same_videos(rows, keys, set(unreadable), by)
    if not keys:
        raise SpatempoError("fusion: no video was read by all networks; test them on the same readable videos")
    selected = [np.array([own[key] for key in keys]) for own in rows]
    labels = first.labels[selected[0]]
    for number, (result, order) in enumerate(zip(results, selected, strict=True), 1):
        if (differ := np.flatnonzero(result.labels[order] != labels)).size:
            raise SpatempoError(
                f"fusion: {keys[differ[0]]} has different labels in results 1 and {number}; test on the same data"
            )
    normalised = np.array(weights) / sum(weights)
    parts = (_scores(result, on)[order] * w for result, order, w in zip(results, selected, normalised, strict=True))
    scores = sum(parts, np.zeros((1, 1)))
    scores = np.log(np.maximum(scores, np.finfo(np.float32).tiny)) if on == "softmax" else scores
    fused = measure(
        scores.astype(np.float32),
        labels,
        first.classes,
        indices=first.indices[selected[0]].tolist(),
        clips=first.clips,
        crops=first.crops,
        average=first.average,
        unreadable=list(unreadable.values()),
    )
    return replace(fused, paths=[first.paths[row] for row in selected[0]] if first.paths else [])


def _rows(result: EvalResult, by: str) -> dict[str | int, int]:
    """Row number of every video, by path or index."""
    if by == "index":
        return {int(index): row for row, index in enumerate(result.indices)}
    if len(result.paths) != result.n:
        raise SpatempoError("fusion: a result has no paths of its videos; match videos with by='index'")
    return {path: row for row, path in enumerate(result.paths)}


def _check_same_videos(rows: list[dict[str | int, int]], keys: list[str | int], known: set[str], by: str) -> None:
    wanted = set(keys)
    for number, own in enumerate(rows[1:], 2):
        missing = next((key for key in keys if key not in own), None)
        extra = next((key for key in own if key not in wanted and key not in known), None)
        if missing is not None or extra is not None:
            where = f"is not in result {number}" if missing is not None else f"is in result {number} only"
            hint = (
                "if both lists have the same order, match videos with by='index'"
                if by == "path"
                else "test on the same data"
            )
            raise SpatempoError(f"fusion: video {extra if missing is None else missing} {where}; {hint}")


def _scores(result: EvalResult, on: str) -> np.ndarray:
    """Logits or probabilities of a result, float64 ``[n, K]``."""
    scores = result.scores.astype(np.float64)
    if on == "logits":
        return scores
    exponentials = np.exp(scores - scores.max(1, keepdims=True))
    return exponentials / exponentials.sum(1, keepdims=True)
