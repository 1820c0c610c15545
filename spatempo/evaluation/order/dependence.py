"""Dependence on frame order, of a model's accuracy and of a data set: statistics computed from predictions.

All p-values come from exact McNemar tests on the same videos (:mod:`spatempo.evaluation.results.intervals`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from spatempo.data.manifest import Manifest
from spatempo.evaluation.order.orders import OrderResults
from spatempo.evaluation.results.eval_result import EvalResult
from spatempo.evaluation.results.families import families
from spatempo.evaluation.results.intervals import ALPHA, combined, holm, mcnemar, wilson

CONDITIONS = ("ordered", "shuffled", "reversed", "frozen")


def time_dependence(found: OrderResults, manifest: Manifest) -> dict[str, Any]:
    """Compute the statistics that `diagnose` reports for one model.

    Args:
        found: result of :func:`~spatempo.evaluation.order.orders.evaluate_orders` on `manifest`.

    Returns:
        Dictionary with these keys:

        * ``ordered, shuffled, reversed, frozen``: accuracies. ``shuffled`` is the mean of ``shuffled_runs`` (one per
          permutation), ``shuffled_spread`` their standard deviation.
        * ``intervals``: 95 % intervals of the four accuracies.
        * ``only_ordered, only_shuffled``: number of videos that are correct only in order, or only shuffled (mean over
          the shuffles), and the ``p_value`` of the difference.
        * ``scores_changed`` (fraction of videos) and ``largest_change``, as in
          :class:`~spatempo.evaluation.order.orders.OrderResults`.
        * ``verdict`` (see :func:`verdict`), ``per_class``, ``confused``, ``by_frames``, ``unsupported_frames``.
        * ``families``, if the data names them; ``n``, ``frames``, ``orders``, ``unreadable``.
    """
    correct = {name: result.predictions == result.labels for name, result in found.by_order.items()}
    shuffles = [correct[name] for name in correct if name.startswith("shuffled")]
    by_condition = {name: correct[name].astype(float) for name in ("ordered", "reversed", "frozen")}
    by_condition["shuffled"] = np.mean(shuffles, 0)
    n = len(found.ordered.labels)
    accuracies = {name: float(by_condition[name].mean()) for name in CONDITIONS}
    runs = [float(hits.mean()) for hits in shuffles]
    p_value = paired_p(correct["ordered"], shuffles)
    document: dict[str, Any] = {
        "n": n,
        "frames": found.frames,
        **accuracies,
        "shuffled_runs": runs,
        "shuffled_spread": float(np.std(runs, ddof=1)) if len(runs) > 1 else None,
        "intervals": {name: wilson(accuracy * n, n) for name, accuracy in accuracies.items()},
        "only_ordered": float(np.mean([(correct["ordered"] & ~hits).sum() for hits in shuffles])),
        "only_shuffled": float(np.mean([(hits & ~correct["ordered"]).sum() for hits in shuffles])),
        "p_value": p_value,
        "scores_changed": found.changed / n,
        "largest_change": found.largest_change,
        "verdict": verdict(found.order_blind, accuracies["ordered"] - accuracies["shuffled"], p_value),
        "per_class": _per_class(found.ordered, correct["ordered"], shuffles, by_condition),
        "confused": confused_without_order(found),
        "by_frames": [
            {"frames": count, "top1": result.top1, "interval": wilson(result.top1 * n, n)}
            for count, result in found.by_frames.items()
        ],
        "unsupported_frames": found.refused,
        "orders": found.orders,
        "unreadable": found.ordered.unreadable,
    }
    if any(sample.family for sample in manifest.samples):
        document["families"] = _families(found, manifest)
    return document


def verdict(blind: bool, gain: float, p_value: float) -> str:
    """Conclusion about a model on these videos.

    Args:
        blind: no score changes with the order of frames.
        gain: drop when shuffled: accuracy in order minus accuracy with shuffled frames.
        p_value: p-value of the paired test.

    Returns:
        ``"order-blind"`` for an order-blind model. ``"uses order"`` or ``"better when shuffled"`` for a significant
        difference. ``"inconclusive"`` otherwise: scores change, but the difference in accuracy is not significant with
        this number of videos.
    """
    if blind:
        return "order-blind"
    if p_value >= ALPHA:
        return "inconclusive"
    return "uses order" if gain > 0 else "better when shuffled"


def paired_p(first: np.ndarray, others: Sequence[np.ndarray]) -> float:
    """Combined p-value of `first` against several `others`: bool ``[n]`` each, whether each video is correct."""
    return combined([mcnemar(int((first & ~other).sum()), int((other & ~first).sum())) for other in others])


def _per_class(
    result: EvalResult, ordered: np.ndarray, shuffles: Sequence[np.ndarray], by_condition: dict[str, np.ndarray]
) -> dict[str, dict[str, Any]]:
    """Class -> ``n``, accuracies, intervals in order and shuffled, and p-value (Holm-adjusted over the classes)."""
    rows = {}
    for label, name in enumerate(result.classes):
        of_class = result.labels == label
        n = int(of_class.sum())
        if n == 0:
            continue
        accuracies = {condition: float(by_condition[condition][of_class].mean()) for condition in CONDITIONS}
        intervals = {f"{c}_interval": wilson(accuracies[c] * n, n) for c in ("ordered", "shuffled")}
        p_value = paired_p(ordered[of_class], [hits[of_class] for hits in shuffles])
        rows[name] = {"n": n, **accuracies, **intervals, "p_value": p_value}
    return _adjusted(rows)


def _adjusted(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    adjusted = holm([row["p_value"] for row in rows.values()])
    return {name: {**row, "p_value": p} for (name, row), p in zip(rows.items(), adjusted, strict=True)}


def confused_without_order(found: OrderResults) -> list[dict[str, Any]]:
    """Pairs of classes that are confused when frames are shuffled, and significantly less often in order.

    Returns:
        ``{"classes": [a, b], "n", "ordered", "shuffled", "p_value"}`` per pair. ``ordered`` and ``shuffled`` (mean over
        the shuffles) are the fractions of the n videos of the two classes that are predicted as the other class. The
        p-value is Holm-adjusted over all confused pairs. Pairs are sorted by difference, the largest first.
    """
    ordered, shuffles = found.ordered, found.shuffled
    labels, rows = ordered.labels, []
    outcomes = [pair for result in shuffles for pair in zip(labels, result.predictions, strict=True)]
    for pair in sorted({(min(a, b), max(a, b)) for a, b in outcomes if a != b}):
        of_pair = np.isin(labels, pair)
        other = sum(pair) - labels[of_pair]  # the other class of the pair
        in_order, shuffled = (
            [result.predictions[of_pair] == other for result in results] for results in ([ordered], shuffles)
        )
        fractions = [float(np.mean(confused)) for confused in (in_order, shuffled)]
        rows.append(
            {
                "classes": [ordered.classes[k] for k in pair],
                "n": int(of_pair.sum()),
                "ordered": fractions[0],
                "shuffled": fractions[1],
                "p_value": paired_p(in_order[0], shuffled),
            }
        )
    for row, p_value in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        row["p_value"] = p_value
    kept = [row for row in rows if row["p_value"] < ALPHA and row["shuffled"] > row["ordered"]]
    return sorted(kept, key=lambda row: row["ordered"] - row["shuffled"])


def _families(found: OrderResults, manifest: Manifest) -> dict[str, dict[str, Any]]:
    """Family -> ``n``, whether it has pairs, and its accuracy per condition (within pairs, if it has pairs)."""
    by_order = {name: families(result, manifest).families for name, result in found.by_order.items()}
    shuffles = [rows for name, rows in by_order.items() if name.startswith("shuffled")]
    return {
        family: {
            "n": row.n,
            "pairs": row.within_pair is not None,
            **{name: by_order[name][family].accuracy for name in ("ordered", "reversed", "frozen")},
            "shuffled": float(np.mean([rows[family].accuracy for rows in shuffles])),
        }
        for family, row in by_order["ordered"].items()
    }


def order_requirement(temporal: EvalResult, blind: EvalResult, manifest: Manifest) -> dict[str, Any]:
    """Estimate how much of a data set needs order: compare a temporal model with an order-blind model.

    The two classes of a pair (each other's time-reversal) count as one group. The order-blind model must guess between
    them, so the class that it predicts less often would seem to need order.

    Args:
        temporal, blind: results of the two models on `manifest`. Videos that only one of them could read are ignored.

    Returns:
        Dictionary with these keys:

        * ``n``; ``temporal`` and ``order_blind``, the accuracies of the two models.
        * ``needs_order``, the fraction of videos that only the temporal model gets correct, with ``interval``.
        * ``only_order_blind``, the fraction that only the order-blind model gets correct, and the ``p_value``.
        * ``per_group``, {name: {"n", "temporal", "order_blind", "p_value"}}, where a group is a class or a pair.
        * ``groups_need_order``, names of groups with a gain and a Holm-adjusted p-value below 0.05.
    """
    _, i, j = np.intersect1d(temporal.indices, blind.indices, return_indices=True)
    labels = temporal.labels[i]
    temporal_correct, blind_correct = temporal.predictions[i] == labels, blind.predictions[j] == labels
    n, gained = len(labels), int((temporal_correct & ~blind_correct).sum())
    group_of = _groups(manifest)
    groups = np.array([group_of[label] for label in labels])
    rows = {}
    for name in dict.fromkeys(group_of):
        first, second = temporal_correct[groups == name], blind_correct[groups == name]
        if len(first):
            accuracies = {"temporal": float(first.mean()), "order_blind": float(second.mean())}
            rows[name] = {"n": len(first), **accuracies, "p_value": paired_p(first, [second])}
    rows = _adjusted(rows)
    return {
        "n": n,
        "temporal": float(temporal_correct.mean()),
        "order_blind": float(blind_correct.mean()),
        "needs_order": gained / n,
        "interval": wilson(gained, n),
        "only_order_blind": float((blind_correct & ~temporal_correct).mean()),
        "p_value": paired_p(temporal_correct, [blind_correct]),
        "groups_need_order": [
            name for name, row in rows.items() if row["p_value"] < ALPHA and row["temporal"] > row["order_blind"]
        ],
        "per_group": rows,
    }


def _groups(manifest: Manifest) -> list[str]:
    """Group name of every class: the class itself, or its pair as ``"a / b"``."""
    pair_of = {sample.label: sample.pair for sample in manifest.samples if sample.pair}
    members: dict[str, list[str]] = {}
    for label, name in enumerate(manifest.classes):
        members.setdefault(pair_of.get(label, f"class {label}"), []).append(name)
    return [" / ".join(members[pair_of.get(label, f"class {label}")]) for label in range(len(manifest.classes))]
