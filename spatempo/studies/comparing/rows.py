"""A line of a comparison: what the runs of one design, one a seed, come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from spatempo.device import pick_device
from spatempo.evaluation.latency import latency_ms
from spatempo.models.checkpoint import load
from spatempo.models.info import describe

_OF_A_SEED = ("top1", "top5", "mean_class", "shuffled", "families", "pairs", "seconds", "checkpoint")


def row_of(short: str, name: str, options: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A design's line: means over its seeds, counts summed."""
    model = load(runs[0]["checkpoint"])
    frames, size = model.preprocess.frames, model.preprocess.size
    facts = describe(name, frames=frames, size=size, num_classes=model.num_classes, **options)
    confusions = [run["confusion"] for run in runs]
    classes = range(model.num_classes)
    top1, shuffled = mean(run["top1"] for run in runs), mean_tree([run["shuffled"] for run in runs])
    row = {
        "name": short,
        "model": name,
        "options": dict(options),
        "top1": top1,
        **{key: mean(run[key] for run in runs) for key in ("top5", "mean_class")},
        "shuffled": shuffled,
        "dependence": None if shuffled is None else top1 - shuffled,
        "top1_seeds": [run["top1"] for run in runs],
        "params": facts.params,
        "macs": facts.macs,
        "latency_ms": None,
        "seconds": round(mean(run["seconds"] for run in runs), 3),
        "epochs": runs[0]["epochs"],
        "lr": model.recipe.get("lr"),
        "frames": frames,
        "size": size,
        "n": runs[0]["n"],
        "per_class": mean_tree([run["per_class"] for run in runs]),
        "confusion": [[sum(c[i][j] for c in confusions) for j in classes] for i in classes],
        "unreadable": runs[0]["unreadable"],
        "checkpoint": runs[0]["checkpoint"],
        "runs": [
            {"seed": seed, **{key: run[key] for key in _OF_A_SEED if key in run}} for seed, run in enumerate(runs)
        ],
    }
    if "families" in runs[0]:
        row |= {key: mean_tree([run[key] for run in runs]) for key in ("families", "pairs")}
    return row


def measure_latency(rows: Sequence[dict[str, Any]], device: str = "auto") -> None:
    """Fills in ``latency_ms``: of one after the other, when nothing else of ours runs, so that all had the same."""
    for row in rows:
        row["latency_ms"] = round(latency_ms(load(row["checkpoint"], device=pick_device(device))), 3)


def mean_tree(trees: Sequence[Any]) -> Any:
    """Means of the numbers in results of one form; what is the same in all stays as it is.

    >>> mean_tree([{"n": 2, "top1": 0.5}, {"n": 2, "top1": 1.0}])
    {'n': 2, 'top1': 0.75}
    """
    first = trees[0]
    if isinstance(first, Mapping):
        return {key: mean_tree([tree[key] for tree in trees]) for key in first}
    if any(tree != first for tree in trees):
        return None if None in trees else mean(trees)
    return first
