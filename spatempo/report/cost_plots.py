"""Accuracy against cost: a small point per seed, a large point for the mean, and the Pareto front.

>>> pareto_front([1.0, 2.0, 3.0], [0.5, 0.9, 0.8])  # the third costs more than the second and is worse
[True, True, False]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import mean, stdev
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from spatempo.report.figures import GRID, INK, MUTED, WIDE, color, figure_style, fix_layout, new_figure
from spatempo.report.labels import label_points
from spatempo.report.plots import shorten

COSTS = {"macs": "MACs per clip", "params": "parameters", "latency_ms": "latency per clip"}  # key of a row -> words
MOST_SIDE_BY_SIDE = 8  # with more models, the panels are placed below each other
_SPACING, _MAX_SHIFT = 10.0, 30.0  # pixels between points of equal cost, and their largest distance from the true cost


def pareto_front(costs: Sequence[float], gains: Sequence[float]) -> list[bool]:
    """Which of several choices are on the Pareto front.

    A choice is not on the front if another one costs less and gains at least as much, or gains more at no higher cost.
    Choices that are equal in both do not exclude each other.
    """
    pairs = list(zip(costs, gains, strict=True))
    return [not any(c <= cost and g >= gain and (c, g) != (cost, gain) for c, g in pairs) for cost, gain in pairs]


def accuracy_by_cost(
    scores: Mapping[str, Sequence[float]],
    costs: Mapping[str, Mapping[str, float]],
    *,
    accuracy: str = "top-1",
    width: float = WIDE,
) -> Figure:
    """Draws one panel per cost, each with its Pareto front.

    Args:
        scores: model -> accuracy of each seed.
        costs: key of ``COSTS`` -> model -> value.
        accuracy: label of the accuracy axis.
        width: inches; panels are drawn side by side if the width allows it.
    """
    models = list(scores)
    few = len(models) <= MOST_SIDE_BY_SIDE
    side_by_side = width >= 6 and few
    across, down = (len(costs), 1) if side_by_side else (1, len(costs))
    height = 3.2 if few else 0.17 * len(models) + (1.2 if width >= 6 else 2.5)
    means = [mean(scores[model]) for model in models]
    with figure_style():
        figure = new_figure(width, height * down + 0.3)
        grid = figure.subplots(down, across, squeeze=False, sharey=side_by_side).ravel()
        for axes, (cost, by_model) in zip(grid, costs.items(), strict=True):
            _scales(axes, [by_model[model] for model in models], scores, cost)
            axes.set_title(COSTS.get(cost, cost), loc="left", fontsize=10, fontweight="bold", color=INK)
        for axes in grid[:: across if side_by_side else 1]:
            axes.set_ylabel(accuracy, fontsize=9)
        fix_layout(figure)
        for axes, by_model in zip(grid, costs.values(), strict=True):
            values = [by_model[model] for model in models]
            front = pareto_front(values, means)
            x_values = _spread_out(axes, values, list(scores.values()), front)
            _draw_points(axes, x_values, list(scores.values()), means, front)
            _draw_names(axes, x_values, list(scores.values()), models, means, front)
        return figure


def amount(value: float, cost: str) -> str:
    """A cost as short text: ``0.39 G``, ``12 ms``."""
    if cost == "latency_ms":
        return f"{value:g} ms"
    for unit, size in ((" G", 1e9), (" M", 1e6), (" k", 1e3)):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def _scales(axes: Axes, values: Sequence[float], scores: Mapping[str, Sequence[float]], cost: str) -> None:
    """Logarithmic cost axis, since ratios of costs matter; accuracy axis limited to the range of the data."""
    margin = 1.12 if len(set(values)) > 1 else 1.3
    low, high = min(values) / margin, max(values) * margin
    axes.set_xscale("log")
    axes.set_xlim(low * (low / high) ** 0.12, high * (high / low) ** 0.28)  # more space at the right, for the names
    axes.xaxis.set_major_locator(FixedLocator(_ticks(*axes.get_xlim())))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: amount(value, cost)))
    accuracies = [accuracy for seeds in scores.values() for accuracy in seeds]
    space = 0.06 + 0.2 * (max(accuracies) - min(accuracies))  # for names above and below
    axes.set_ylim(max(0.0, min(accuracies) - space), max(accuracies) + space)
    bottom, top = axes.get_ylim()
    axes.set_yticks([tick for tick in axes.get_yticks() if bottom <= tick <= min(top, 1.0)])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda tick, _: f"{100 * tick:.4g} %"))
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=9)


def _ticks(low: float, high: float) -> list[float]:
    """Three to five round numbers between two limits."""
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), np.arange(1, 10, 0.5), np.arange(1, 10, 0.1)):
        powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
        ticks = [float(f"{p * s:.3g}") for p in powers for s in steps if low <= p * s <= high]
        if len(ticks) >= 3:
            return ticks if len(ticks) <= 5 else ticks[:: -(-len(ticks) // 5)]
    return [float(f"{low:.2g}"), float(f"{high:.2g}")]


def _spread_out(
    axes: Axes, values: Sequence[float], scores: Sequence[Sequence[float]], front: Sequence[bool]
) -> list[float]:
    """Positions on the cost axis: a point that would cover one of equal or lower cost moves to the right of it."""
    taken: list[tuple[float, float, float]] = []  # x, bottom, top in pixels
    x_values = [0.0] * len(values)
    for i in sorted(range(len(values)), key=lambda i: (values[i], not front[i])):
        pixels = axes.transData.transform([(values[i], accuracy) for accuracy in scores[i]])
        x, bottom, top = pixels[0, 0], pixels[:, 1].min() - 5, pixels[:, 1].max() + 5
        shifted = [x + _SPACING * step for step in range(int(_MAX_SHIFT / _SPACING) + 1)]
        free = (
            at
            for at in shifted
            if not any(abs(at - px) < _SPACING - 1e-6 and bottom < pt and pb < top for px, pb, pt in taken)
        )
        x = next(free, x)
        taken.append((x, bottom, top))
        x_values[i] = float(axes.transData.inverted().transform((x, bottom))[0])
    return x_values


def _draw_points(
    axes: Axes,
    x_values: Sequence[float],
    scores: Sequence[Sequence[float]],
    means: Sequence[float],
    front: Sequence[bool],
) -> None:
    axes.step(*_front_line(axes, x_values, means, front), where="post", color=INK, linewidth=1.1, zorder=1.5)
    for i, (x, accuracies) in enumerate(zip(x_values, scores, strict=True)):
        if len(accuracies) > 1:
            spread = stdev(accuracies)
            axes.vlines(x, means[i] - spread, means[i] + spread, color=color(i), linewidth=1.6, alpha=0.6, zorder=3)
            axes.plot([x] * len(accuracies), accuracies, "o", color=color(i), markersize=2.8, alpha=0.7, zorder=3.5)
        ring: dict[str, Any] = {"markeredgecolor": "white"}
        if front[i]:
            ring = {"markeredgecolor": INK, "markeredgewidth": 1.6}
        axes.plot(x, means[i], "o", color=color(i), markersize=8.5 if front[i] else 7, zorder=4 + front[i], **ring)


def _front_line(
    axes: Axes, x_values: Sequence[float], means: Sequence[float], front: Sequence[bool]
) -> tuple[list[float], list[float]]:
    """x and y of the Pareto front as a step line, extended to the end of the axis."""
    chosen = sorted((i for i, on in enumerate(front) if on), key=lambda i: x_values[i])
    return [*(x_values[i] for i in chosen), axes.get_xlim()[1]], [*(means[i] for i in chosen), means[chosen[-1]]]


def _draw_names(
    axes: Axes,
    x_values: Sequence[float],
    scores: Sequence[Sequence[float]],
    models: Sequence[str],
    means: Sequence[float],
    front: Sequence[bool],
) -> None:
    points = [tuple(point) for point in axes.transData.transform(list(zip(x_values, means, strict=True)))]
    avoid = []
    for (x, y), x_data, accuracies in zip(points, x_values, scores, strict=True):
        pixels = axes.transData.transform([(x_data, accuracy) for accuracy in accuracies])
        avoid += [(x - 6, y - 6, x + 6, y + 6), (x - 2, pixels[:, 1].min() - 2, x + 2, pixels[:, 1].max() + 2)]
    line = axes.transData.transform(list(zip(*_front_line(axes, x_values, means, front), strict=True)))
    avoid += [(x, y - 2, after, y + 2) for (x, y), (after, _) in pairwise(line)]
    label_points(axes, points, [shorten(model, 22) for model in models], bold=front, avoid=avoid)
    axes.tick_params(labelcolor=MUTED)
