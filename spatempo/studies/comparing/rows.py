"""One row of a comparison: the result of a design over its seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from spatempo.device import pick_device
from spatempo.evaluation.latency import latency_ms
from spatempo.models.checkpoint import load
from spatempo.models.info import describe

_KEYS_OF_A_SEED = ("top1", "top5", "mean_class", "shuffled", "families", "pairs", "seconds", "checkpoint")


def row_of(short: str, name: str, options: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Row of one design: means of accuracies over its seeds, sums of counts."""
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
        "drop_when_shuffled": None if shuffled is None else top1 - shuffled,
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
            {"seed": seed, **{key: run[key] for key in _KEYS_OF_A_SEED if key in run}} for seed, run in enumerate(runs)
        ],
    }
    if "families" in runs[0]:
        row |= {key: mean_tree([run[key] for run in runs]) for key in ("families", "pairs")}
    return row


def measure_latency(rows: Sequence[dict[str, Any]], device: str = "auto") -> None:
    """Fills in ``latency_ms``, measured for one design after the other while no training runs: equal conditions."""
    for row in rows:
        row["latency_ms"] = round(latency_ms(load(row["checkpoint"], device=pick_device(device))), 3)


def mean_tree(trees: Sequence[Any]) -> Any:
    """Means of the numbers in results of the same structure; values that are equal in all are not changed.

    >>> mean_tree([{"n": 2, "top1": 0.5}, {"n": 2, "top1": 1.0}])
    {'n': 2, 'top1': 0.75}
    """
    first = trees[0]
    if isinstance(first, Mapping):
        return {key: mean_tree([tree[key] for tree in trees]) for key in first}
    if any(tree != first for tree in trees):
        return None if None in trees else mean(trees)
    return first
