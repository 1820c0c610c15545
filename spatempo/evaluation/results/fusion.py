"""Several networks' scores of the same videos as one: two-stream fusion of RGB and flow, and ensembles.

Published rules, all of scores that were first averaged over a video's views:

* TSN: a weighted sum of logits, RGB 1 and flow 1.5 (``tools/eval_scores.py``), which is
  ``fuse(rgb, flow, weights=(1, 1.5), on="logits")``;
* TSM: the mean of logits, of RGB and flow as of networks with 8 and 16 frames, ``fuse(a, b, on="logits")``;
* R(2+1)D: the mean of softmax scores, ``fuse(rgb, flow)``; the authors' script weighs them 0.6 and 0.4. They take the
  softmax of every clip before they average clips, as the protocol ``r2plus1d`` does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from spatempo.errors import SpatempoError
from spatempo.evaluation.results.eval_result import EvalResult, measure

RULES = {"by": ("path", "index"), "on": ("softmax", "logits")}


def fuse(
    *results: EvalResult, weights: Sequence[float] | None = None, on: str = "softmax", by: str = "path"
) -> EvalResult:
    """The result of a weighted mean of scores.

    Args:
        results: of the same videos: of :func:`~spatempo.evaluation.scoring.evaluate.evaluate`, or read from files
            (:func:`~spatempo.evaluation.results.score_files.read_scores`).
        weights: one for each; alike by default.
        on: ``"softmax"`` averages probabilities, ``"logits"`` what comes before them.
        by: how videos are matched: ``"path"``, or ``"index"``, the place in the manifest, for RGB and flow that lie in
            different places but were listed in one order.

    Returns:
        Its ``scores`` are mean logits, or logarithms of mean probabilities, so that their softmax is the probability
        either way. Videos, clips and crops are in the order and with the counts of the first. By path, a video that
        one of the networks could not read is left out and named in ``unreadable``.

    Raises:
        SpatempoError: other classes, videos or labels, or weights that cannot be used; names the first video.
    """
    weights = [1.0] * len(results) if weights is None else [float(w) for w in weights]
    if not results or len(weights) != len(results):
        raise SpatempoError(f"fusion: {len(results)} results with {len(weights)} weights; give one for each")
    if not all(math.isfinite(w) and w >= 0 for w in weights) or sum(weights) <= 0:
        raise SpatempoError(f"fusion: weights are {weights}; give numbers from 0, one of them above")
    for name, value in (("by", by), ("on", on)):
        if value not in RULES[name]:
            raise SpatempoError(f"fusion: {name} is {value!r}; choose from {', '.join(RULES[name])}")
    first = results[0]
    if any(result.classes != first.classes for result in results):
        raise SpatempoError("fusion: the networks' classes differ, in name or order; test them on the same classes")
    unreadable = {row["path"]: row for result in results for row in result.unreadable}
    rows = [_rows(result, by) for result in results]
    keys = [key for key in rows[0] if key not in unreadable]
    _check_same_videos(rows, keys, set(unreadable), by)
    if not keys:
        raise SpatempoError("fusion: no video was read by all of the networks")
    places = [np.array([own[key] for key in keys]) for own in rows]
    labels = first.labels[places[0]]
    for result, place in zip(results, places, strict=True):
        if (differ := np.flatnonzero(result.labels[place] != labels)).size:
            raise SpatempoError(
                f"fusion: {keys[differ[0]]} has one label here and another there; test on the same data"
            )
    shares = np.array(weights) / sum(weights)
    parts = (_scores(result, on)[place] * w for result, place, w in zip(results, places, shares, strict=True))
    scores = sum(parts, np.zeros((1, 1)))
    scores = np.log(np.maximum(scores, np.finfo(np.float32).tiny)) if on == "softmax" else scores
    fused = measure(
        torch.from_numpy(scores.astype(np.float32)),
        torch.from_numpy(labels),
        first.classes,
        indices=first.indices[places[0]].tolist(),
        clips=first.clips,
        crops=first.crops,
        average=first.average,
        unreadable=list(unreadable.values()),
    )
    return replace(fused, paths=[first.paths[place] for place in places[0]] if first.paths else [])


def _rows(result: EvalResult, by: str) -> dict[str | int, int]:
    """Row of every video, by its path or index."""
    if by == "index":
        return {int(index): row for row, index in enumerate(result.indices)}
    if len(result.paths) != result.n:
        raise SpatempoError("fusion: a result does not know the paths of its videos; match them by='index'")
    return {path: row for row, path in enumerate(result.paths)}


def _check_same_videos(rows: list[dict[str | int, int]], keys: list[str | int], known: set[str], by: str) -> None:
    wanted = set(keys)
    for number, own in enumerate(rows[1:], 2):
        missing = next((key for key in keys if key not in own), None)
        extra = next((key for key in own if key not in wanted and key not in known), None)
        if missing is not None or extra is not None:
            where = f"is not in result {number}" if missing is not None else f"is in result {number} only"
            hint = (
                "if both were listed in one order, match them by='index'" if by == "path" else "test on the same data"
            )
            raise SpatempoError(f"fusion: video {extra if missing is None else missing} {where}; {hint}")


def _scores(result: EvalResult, on: str) -> np.ndarray:
    """Float64 ``[n, K]``."""
    scores = result.scores.astype(np.float64)
    if on == "logits":
        return scores
    raised = np.exp(scores - scores.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)
