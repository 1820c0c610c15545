"""How much of a model's accuracy is order, and how much of a data set needs it: plain numbers out of answers.

All p-values are of exact McNemar tests on the same videos (:mod:`spatempo.evaluation.results.intervals`).
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
    """What `diagnose` says of one model.

    Args:
        found: of :func:`~spatempo.evaluation.order.orders.evaluate_orders` on `manifest`.

    Returns:
        Shares right ``ordered, shuffled, reversed, frozen``; ``shuffled_runs`` (each permutation; `shuffled` is their
        mean, ``shuffled_spread`` their standard deviation); ``intervals`` (95 %) of the four; ``only_ordered`` and
        ``only_shuffled`` (videos right in one of the two only, mean over the shuffles) and ``p_value``;
        ``scores_changed`` (share of videos), ``largest_change``; ``verdict`` (`verdict`); ``per_class``; ``confused``;
        ``by_frames``; ``families`` where the data names them; ``n``, ``frames``, ``orders``, ``unreadable``.
    """
    right = {name: result.answers == result.labels for name, result in found.by_order.items()}
    shuffles = [right[name] for name in right if name.startswith("shuffled")]
    by_condition = {name: right[name].astype(float) for name in ("ordered", "reversed", "frozen")}
    by_condition["shuffled"] = np.mean(shuffles, 0)
    n = len(found.ordered.labels)
    shares = {name: float(by_condition[name].mean()) for name in CONDITIONS}
    runs = [float(hits.mean()) for hits in shuffles]
    p_value = paired_p(right["ordered"], shuffles)
    document: dict[str, Any] = {
        "n": n,
        "frames": found.frames,
        **shares,
        "shuffled_runs": runs,
        "shuffled_spread": float(np.std(runs, ddof=1)) if len(runs) > 1 else None,
        "intervals": {name: wilson(share * n, n) for name, share in shares.items()},
        "only_ordered": float(np.mean([(right["ordered"] & ~hits).sum() for hits in shuffles])),
        "only_shuffled": float(np.mean([(hits & ~right["ordered"]).sum() for hits in shuffles])),
        "p_value": p_value,
        "scores_changed": found.changed / n,
        "largest_change": found.largest_change,
        "verdict": verdict(found.blind, shares["ordered"] - shares["shuffled"], p_value),
        "per_class": _per_class(found.ordered, right["ordered"], shuffles, by_condition),
        "confused": confused_without_order(found),
        "by_frames": [
            {"frames": count, "top1": result.top1, "interval": wilson(result.top1 * n, n)}
            for count, result in found.by_frames.items()
        ],
        "refused_frames": found.refused,
        "orders": found.orders,
        "unreadable": found.ordered.unreadable,
    }
    if any(sample.family for sample in manifest.samples):
        document["families"] = _families(found, manifest)
    return document


def verdict(blind: bool, gain: float, p_value: float) -> str:
    """What may be said of a model and these videos.

    Args:
        blind: not one score changes with the order.
        gain: accuracy in order less accuracy shuffled.
        p_value: of the paired test.

    Returns:
        ``"blind"``; ``"uses order"`` or ``"better shuffled"`` where the test finds a difference; else ``"not shown"``:
        scores change, but whether answers get worse, so many videos cannot tell.
    """
    if blind:
        return "blind"
    if p_value >= ALPHA:
        return "not shown"
    return "uses order" if gain > 0 else "better shuffled"


def paired_p(first: np.ndarray, others: Sequence[np.ndarray]) -> float:
    """p of `first` against several `others`: bool ``[n]`` each, right or not, of the same videos."""
    return combined([mcnemar(int((first & ~other).sum()), int((other & ~first).sum())) for other in others])


def _per_class(
    result: EvalResult, ordered: np.ndarray, shuffles: Sequence[np.ndarray], by_condition: dict[str, np.ndarray]
) -> dict[str, dict[str, Any]]:
    """Class -> its ``n``, shares, intervals in order and shuffled, and p (Holm's, over the classes)."""
    rows = {}
    for label, name in enumerate(result.classes):
        of_class = result.labels == label
        n = int(of_class.sum())
        if n == 0:
            continue
        shares = {condition: float(by_condition[condition][of_class].mean()) for condition in CONDITIONS}
        intervals = {f"{c}_interval": wilson(shares[c] * n, n) for c in ("ordered", "shuffled")}
        p_value = paired_p(ordered[of_class], [hits[of_class] for hits in shuffles])
        rows[name] = {"n": n, **shares, **intervals, "p_value": p_value}
    return _adjusted(rows)


def _adjusted(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    adjusted = holm([row["p_value"] for row in rows.values()])
    return {name: {**row, "p_value": p} for (name, row), p in zip(rows.items(), adjusted, strict=True)}


def confused_without_order(found: OrderResults) -> list[dict[str, Any]]:
    """Pairs of classes taken for each other when the frames are shuffled, and significantly less so in order.

    Returns:
        ``{"classes": [a, b], "n", "ordered", "shuffled", "p_value"}``: of the n videos of the two classes the share
        answered with the other one, in order and (mean) shuffled; p is Holm's over all pairs that are ever confused.
        The largest difference first.
    """
    ordered, shuffles = found.ordered, found.shuffled
    labels, rows = ordered.labels, []
    answered = [(truth, answer) for result in shuffles for truth, answer in zip(labels, result.answers, strict=True)]
    for pair in sorted({(min(a, b), max(a, b)) for a, b in answered if a != b}):
        of_pair = np.isin(labels, pair)
        other = sum(pair) - labels[of_pair]  # the other class of the two
        taken, shuffled = (
            [result.answers[of_pair] == other for result in results] for results in ([ordered], shuffles)
        )
        shares = [float(np.mean(hits)) for hits in (taken, shuffled)]
        rows.append(
            {
                "classes": [ordered.classes[k] for k in pair],
                "n": int(of_pair.sum()),
                "ordered": shares[0],
                "shuffled": shares[1],
                "p_value": paired_p(taken[0], shuffled),
            }
        )
    for row, p_value in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        row["p_value"] = p_value
    kept = [row for row in rows if row["p_value"] < ALPHA and row["shuffled"] > row["ordered"]]
    return sorted(kept, key=lambda row: row["ordered"] - row["shuffled"])


def _families(found: OrderResults, manifest: Manifest) -> dict[str, dict[str, Any]]:
    """Family -> ``n``, whether it has pairs, and its accuracy (within the pair where it has them) per condition."""
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


def need_of_order(temporal: EvalResult, blind: EvalResult, manifest: Manifest) -> dict[str, Any]:
    """How much of a data set needs order: what a temporal model gets right and its order-blind twin does not.

    Classes of a pair (each other's time-reversal) count as one group: the blind model must guess between them, and
    whichever it favours would make the other one look as if it were gained.

    Args:
        temporal, blind: results on `manifest`; videos that only one could read are left out.

    Returns:
        ``n``; ``temporal`` and ``blind`` (shares right); ``needs_order`` (share of videos that only the temporal one
        gets) with ``interval``; ``only_blind`` (the other way about); ``p_value``; ``per_group`` {name: {"n",
        "temporal", "blind", "p_value"}}, a group being a class or a pair, and ``groups_need_order`` (names: gain with
        Holm's p below 0.05).
    """
    _, i, j = np.intersect1d(temporal.indices, blind.indices, return_indices=True)
    labels = temporal.labels[i]
    sees, not_sees = temporal.answers[i] == labels, blind.answers[j] == labels
    n, gained = len(labels), int((sees & ~not_sees).sum())
    group_of = _groups(manifest)
    groups = np.array([group_of[label] for label in labels])
    rows = {}
    for name in dict.fromkeys(group_of):
        first, second = sees[groups == name], not_sees[groups == name]
        if len(first):
            shares = {"temporal": float(first.mean()), "blind": float(second.mean())}
            rows[name] = {"n": len(first), **shares, "p_value": paired_p(first, [second])}
    rows = _adjusted(rows)
    return {
        "n": n,
        "temporal": float(sees.mean()),
        "blind": float(not_sees.mean()),
        "needs_order": gained / n,
        "interval": wilson(gained, n),
        "only_blind": float((not_sees & ~sees).mean()),
        "p_value": paired_p(sees, [not_sees]),
        "groups_need_order": [
            name for name, row in rows.items() if row["p_value"] < ALPHA and row["temporal"] > row["blind"]
        ],
        "per_group": rows,
    }


def _groups(manifest: Manifest) -> list[str]:
    """The group of every class: itself, or its pair as ``"a / b"``."""
    pair_of = {sample.label: sample.pair for sample in manifest.samples if sample.pair}
    members: dict[str, list[str]] = {}
    for label, name in enumerate(manifest.classes):
        members.setdefault(pair_of.get(label, f"class {label}"), []).append(name)
    return [" / ".join(members[pair_of.get(label, f"class {label}")]) for label in range(len(manifest.classes))]
