"""Sections of a comparison's page: what the designs cost, what order is worth to them, one against another."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from spatempo.report.cost_plots import COSTS, accuracy_by_cost, pareto_front
from spatempo.report.gain_plots import class_gain, gains, order_bars, points
from spatempo.report.html import Figures, section
from spatempo.report.model_result import ModelResult
from spatempo.report.tables import results_table

_IN_SHORT = {"macs": "MACs", "params": "params", "latency_ms": "latency"}


def costs_section(models: Sequence[ModelResult], accuracy: str, figures: Figures) -> str:
    scores = {m.name: m.scores for m in models if m.scores}
    costs = _cost_values(models)
    if not costs or len(scores) < len(models):
        return ""
    draw = lambda width: accuracy_by_cost(scores, costs, accuracy=accuracy, width=width)  # noqa: E731
    told = "; ".join(f"{COSTS[cost]}: {', '.join(_front(models, cost))}" for cost in costs)
    caption = (
        "The line joins the designs that nothing beats (ringed, names in bold): every other one costs more, or gets "
        "fewer right. Each step to the right on the scale is a multiple of the cost. Points that would hide each other "
        "stand side by side."
    )
    if any(len(shares) > 1 for shares in scores.values()):
        caption += " Small points: the seeds; large: their mean, with one standard deviation to either side."
    return section("What it costs", caption, figures.both(draw, f"Accuracy against cost. Nothing beats: {told}"))


def table_section(models: Sequence[ModelResult]) -> str:
    rows = [dict(m.row) for m in models]
    if len(models) > 1 and all(m.scores for m in models):
        fronts = {_IN_SHORT[cost]: _front(models, cost) for cost in _cost_values(models)}
        for m, row in zip(models, rows, strict=True):
            row["front"] = ", ".join(cost for cost, names in fronts.items() if m.name in names)
    body = results_table([m.name for m in models], rows, [m.spread for m in models])
    captions = {
        "macs": "Multiply-accumulates (MACs) and latency are of one view.",
        "shuffled": "Shuffled: top-1 with the frames of each clip in another order; order is worth the difference.",
        "front": "Pareto front: the costs for which no other design does better.",
    }
    said = [words for key, words in captions.items() if any(key in row for row in rows)]
    if any(m.spread for m in models):
        said.append("±: standard deviation over the seeds.")
    return section("Cost and accuracy", " ".join(said), body) if body else ""


def order_section(models: Sequence[ModelResult], figures: Figures) -> str:
    values = {m.name: (m.row["top1"], m.row["shuffled"]) for m in models if "shuffled" in m.row}
    if not values:
        return ""
    told = ", ".join(
        f"{name} {'cannot be shuffled' if shuffled is None else points(ordered - shuffled)}"
        for name, (ordered, shuffled) in values.items()
    )
    draw = lambda width: order_bars(values, width=width)  # noqa: E731
    caption = (
        "Top-1 of all videos. Dark: with the frames of each clip shuffled (the same few permutations for all); light: "
        "what their order adds, in points. 0.0: the model does not see it."
    )
    return section("What order is worth", caption, figures.both(draw, f"What order adds, in points: {told}"))


def gain_section(models: Sequence[ModelResult], versus: tuple[str, str] | None, pairs: bool, figures: Figures) -> str:
    if versus is None:
        return ""
    by_name = {m.name: m.per_class for m in models}
    first, second = (by_name[name] for name in versus)
    draw = lambda width: class_gain(first, second, names=versus, width=width)  # noqa: E731
    caption = "Share of a class's videos that are right, less that of the other; classes with most to gain first."
    if pairs:
        caption += " A model that cannot tell a movement from its reverse may favour either of the two."
    told = ", ".join(f"{name} {points(gain)}" for name, gain in gains(first, second))
    title = f"Class by class: {versus[0]} against {versus[1]}"
    return section(title, caption, figures.both(draw, f"{title}, in points: {told}"))


def _cost_values(models: Sequence[ModelResult]) -> dict[str, dict[str, float]]:
    """Cost -> model -> value, of the costs that all have."""
    found = {cost: {m.name: m.row.get(cost) for m in models} for cost in COSTS}
    return {
        cost: {name: float(value) for name, value in row.items() if isinstance(value, int | float)}
        for cost, row in found.items()
        if all(isinstance(value, int | float) and value > 0 for value in row.values())
    }


def _front(models: Sequence[ModelResult], cost: str) -> list[str]:
    """Names of those that nothing beats in one cost."""
    values = _cost_values(models)[cost]
    on = pareto_front([values[m.name] for m in models], [fmean(m.scores) for m in models])
    return [m.name for m, chosen in zip(models, on, strict=True) if chosen]
