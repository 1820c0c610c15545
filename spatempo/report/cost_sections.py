"""Sections of the page of a comparison: accuracy and cost, drop when shuffled, accuracy by class of two models."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from spatempo.report.cost_plots import COSTS, accuracy_by_cost, pareto_front
from spatempo.report.gain_plots import class_gain, gains, order_bars, points
from spatempo.report.html import Figures, section
from spatempo.report.model_result import ModelResult
from spatempo.report.tables import results_table

_SHORT_NAMES = {"macs": "MACs", "params": "params", "latency_ms": "latency"}


def costs_section(models: Sequence[ModelResult], accuracy: str, figures: Figures) -> str:
    scores = {m.name: m.scores for m in models if m.scores}
    costs = _cost_values(models)
    if not costs or len(scores) < len(models):
        return ""
    draw = lambda width: accuracy_by_cost(scores, costs, accuracy=accuracy, width=width)  # noqa: E731
    fronts = "; ".join(f"{COSTS[cost]}: {', '.join(_front(models, cost))}" for cost in costs)
    caption = (
        "The line is the Pareto front (ringed points, bold names): no other design is at least as accurate at a lower "
        "cost, or more accurate at the same cost. The cost axis is logarithmic. Points that would overlap are drawn "
        "next to each other."
    )
    if any(len(accuracies) > 1 for accuracies in scores.values()):
        caption += " Small points are seeds, large points are means with one standard deviation."
    return section("Accuracy and cost", caption, figures.both(draw, f"Accuracy against cost. Pareto front: {fronts}"))


def table_section(models: Sequence[ModelResult]) -> str:
    rows = [dict(m.row) for m in models]
    if len(models) > 1 and all(m.scores for m in models):
        fronts = {_SHORT_NAMES[cost]: _front(models, cost) for cost in _cost_values(models)}
        for m, row in zip(models, rows, strict=True):
            row["front"] = ", ".join(cost for cost, names in fronts.items() if m.name in names)
    body = results_table([m.name for m in models], rows, [m.spread for m in models])
    captions = {
        "within_pair": "Within the pair: accuracy when the model chooses only between the two classes of a pair.",
        "shuffled": "Shuffled: top-1 accuracy with the frames of each clip in another order.",
        "drop_when_shuffled": "Drop when shuffled: top-1 minus shuffled, in percentage points.",
        "macs": "Multiply-accumulates (MACs) and latency are for one view of a clip.",
        "seconds": "Training: time per seed.",
        "front": "Pareto front: the costs for which the design is on the front of the charts.",
    }
    sentences = [words for key, words in captions.items() if any(key in row for row in rows)]
    if any(m.spread for m in models):
        sentences.append("±: standard deviation over the seeds.")
    return section("Results", " ".join(sentences), body) if body else ""


def order_section(models: Sequence[ModelResult], figures: Figures) -> str:
    values = {m.name: (m.row["top1"], m.row["shuffled"]) for m in models if "shuffled" in m.row}
    if not values:
        return ""
    drops = ", ".join(
        f"{name} {'cannot be shuffled' if shuffled is None else points(ordered - shuffled)}"
        for name, (ordered, shuffled) in values.items()
    )
    draw = lambda width: order_bars(values, width=width)  # noqa: E731
    caption = (
        "Top-1 accuracy on all videos. Whole bar: frames in order. Dark part: frames of each clip shuffled (the same "
        "few permutations for all models). The number is the difference in percentage points. A model with 0.0 does "
        "not see the order of frames."
    )
    label = f"Drop of accuracy when shuffled, in percentage points: {drops}"
    return section("Drop when shuffled", caption, figures.both(draw, label))


def gain_section(models: Sequence[ModelResult], versus: tuple[str, str] | None, pairs: bool, figures: Figures) -> str:
    if versus is None:
        return ""
    by_name = {m.name: m.per_class for m in models}
    first, second = (by_name[name] for name in versus)
    draw = lambda width: class_gain(first, second, names=versus, width=width)  # noqa: E731
    caption = f"Accuracy of {versus[0]} minus accuracy of {versus[1]}. The largest gains come first."
    if pairs:
        caption += " A model that cannot distinguish a movement from its reverse may favour either of the two classes."
    numbers = ", ".join(f"{name} {points(gain)}" for name, gain in gains(first, second))
    title = f"Accuracy by class: {versus[0]} compared with {versus[1]}"
    return section(title, caption, figures.both(draw, f"{title}, difference in percentage points: {numbers}"))


def _cost_values(models: Sequence[ModelResult]) -> dict[str, dict[str, float]]:
    """Cost -> model -> value, for the costs that are known of all models."""
    found = {cost: {m.name: m.row.get(cost) for m in models} for cost in COSTS}
    return {
        cost: {name: float(value) for name, value in row.items() if isinstance(value, int | float)}
        for cost, row in found.items()
        if all(isinstance(value, int | float) and value > 0 for value in row.values())
    }


def _front(models: Sequence[ModelResult], cost: str) -> list[str]:
    """Names of the models on the Pareto front of one cost."""
    values = _cost_values(models)[cost]
    on = pareto_front([values[m.name] for m in models], [fmean(m.scores) for m in models])
    return [m.name for m, chosen in zip(models, on, strict=True) if chosen]
