"""Accuracy against what it costs: every seed a small point, the mean a large one, and the line of those to choose from.

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

from spatempo.report.figures import GRID, INK, MUTED, WIDE, color, look, new_figure, settle
from spatempo.report.labels import label_points
from spatempo.report.plots import short

COSTS = {"macs": "MACs of a clip", "params": "parameters", "latency_ms": "latency"}  # key of a row -> words
MOST_BESIDE = 8  # models; with more the panels stand one under the other
_APART, _SHIFT = 10.0, 30.0  # pixels between points of equal cost, and how far from it they may stand at most


def pareto_front(costs: Sequence[float], gains: Sequence[float]) -> list[bool]:
    """Which of several choices nothing beats: no other one costs as little or less and gives more, or less for as much.

    Two that are alike in both do not beat each other.
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
    """A panel for each cost, each with its Pareto front.

    Args:
        scores: model -> share right of each seed.
        costs: key of ``COSTS`` -> model -> value.
        accuracy: what the shares are.
        width: inches; panels stand side by side where there is room for them.
    """
    models = list(scores)
    few = len(models) <= MOST_BESIDE
    beside = width >= 6 and few
    across, down = (len(costs), 1) if beside else (1, len(costs))
    height = 3.2 if few else 0.17 * len(models) + (1.2 if width >= 6 else 2.5)
    means = [mean(scores[model]) for model in models]
    with look():
        figure = new_figure(width, height * down + 0.3)
        grid = figure.subplots(down, across, squeeze=False, sharey=beside).ravel()
        for axes, (cost, by_model) in zip(grid, costs.items(), strict=True):
            _scales(axes, [by_model[model] for model in models], scores, cost)
            axes.set_title(COSTS.get(cost, cost), loc="left", fontsize=10, fontweight="bold", color=INK)
        for axes in grid[:: across if beside else 1]:
            axes.set_ylabel(accuracy, fontsize=9)
        settle(figure)
        for axes, by_model in zip(grid, costs.values(), strict=True):
            values = [by_model[model] for model in models]
            front = pareto_front(values, means)
            places = _side_by_side(axes, values, list(scores.values()), front)
            _draw(axes, places, list(scores.values()), means, front)
            _names(axes, places, list(scores.values()), models, means, front)
        return figure


def amount(value: float, cost: str) -> str:
    """A cost in few letters: ``0.39 G``, ``12 ms``."""
    if cost == "latency_ms":
        return f"{value:g} ms"
    for unit, size in ((" G", 1e9), (" M", 1e6), (" k", 1e3)):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def _scales(axes: Axes, values: Sequence[float], scores: Mapping[str, Sequence[float]], cost: str) -> None:
    """Cost on a scale of ratios, since twice is twice anywhere; accuracy as far as there is any."""
    room = 1.12 if len(set(values)) > 1 else 1.3
    low, high = min(values) / room, max(values) * room
    axes.set_xscale("log")
    axes.set_xlim(low * (low / high) ** 0.12, high * (high / low) ** 0.28)  # names stand to the right of their points
    axes.xaxis.set_major_locator(FixedLocator(_ticks(*axes.get_xlim())))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: amount(value, cost)))
    shares = [share for of_model in scores.values() for share in of_model]
    room = 0.06 + 0.2 * (max(shares) - min(shares))  # of names above and below
    axes.set_ylim(max(0.0, min(shares) - room), max(shares) + room)
    bottom, top = axes.get_ylim()
    axes.set_yticks([share for share in axes.get_yticks() if bottom <= share <= min(top, 1.0)])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g} %"))
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=9)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers between two limits, three to five of them."""
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), np.arange(1, 10, 0.5), np.arange(1, 10, 0.1)):
        powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
        ticks = [float(f"{p * s:.3g}") for p in powers for s in steps if low <= p * s <= high]
        if len(ticks) >= 3:
            return ticks if len(ticks) <= 5 else ticks[:: -(-len(ticks) // 5)]
    return [float(f"{low:.2g}"), float(f"{high:.2g}")]


def _side_by_side(
    axes: Axes, values: Sequence[float], scores: Sequence[Sequence[float]], front: Sequence[bool]
) -> list[float]:
    """Places on the cost axis: a point that would cover a cheaper one, or one as dear, stands to the right of it."""
    taken: list[tuple[float, float, float]] = []  # x, bottom, top in pixels
    places = [0.0] * len(values)
    for i in sorted(range(len(values)), key=lambda i: (values[i], not front[i])):
        pixels = axes.transData.transform([(values[i], share) for share in scores[i]])
        x, bottom, top = pixels[0, 0], pixels[:, 1].min() - 5, pixels[:, 1].max() + 5
        free = (
            x + _APART * step
            for step in range(int(_SHIFT / _APART) + 1)
            if not any(abs(x + _APART * step - px) < _APART - 1e-6 and bottom < pt and pb < top for px, pb, pt in taken)
        )
        x = next(free, x)
        taken.append((x, bottom, top))
        places[i] = float(axes.transData.inverted().transform((x, bottom))[0])
    return places


def _draw(
    axes: Axes,
    places: Sequence[float],
    scores: Sequence[Sequence[float]],
    means: Sequence[float],
    front: Sequence[bool],
) -> None:
    axes.step(*_front_line(axes, places, means, front), where="post", color=INK, linewidth=1.1, zorder=1.5)
    for i, (x, shares) in enumerate(zip(places, scores, strict=True)):
        if len(shares) > 1:
            spread = stdev(shares)
            axes.vlines(x, means[i] - spread, means[i] + spread, color=color(i), linewidth=1.6, alpha=0.6, zorder=3)
            axes.plot([x] * len(shares), shares, "o", color=color(i), markersize=2.8, alpha=0.7, zorder=3.5)
        ring: dict[str, Any] = {"markeredgecolor": "white"}
        if front[i]:
            ring = {"markeredgecolor": INK, "markeredgewidth": 1.6}
        axes.plot(x, means[i], "o", color=color(i), markersize=8.5 if front[i] else 7, zorder=4 + front[i], **ring)


def _front_line(
    axes: Axes, places: Sequence[float], means: Sequence[float], front: Sequence[bool]
) -> tuple[list[float], list[float]]:
    """What can be had for a cost, as steps, to the end of the scale."""
    chosen = sorted((i for i, on in enumerate(front) if on), key=lambda i: places[i])
    return [*(places[i] for i in chosen), axes.get_xlim()[1]], [*(means[i] for i in chosen), means[chosen[-1]]]


def _names(
    axes: Axes,
    places: Sequence[float],
    scores: Sequence[Sequence[float]],
    models: Sequence[str],
    means: Sequence[float],
    front: Sequence[bool],
) -> None:
    points = [tuple(point) for point in axes.transData.transform(list(zip(places, means, strict=True)))]
    avoid = []
    for (x, y), x_data, shares in zip(points, places, scores, strict=True):
        pixels = axes.transData.transform([(x_data, share) for share in shares])
        avoid += [(x - 6, y - 6, x + 6, y + 6), (x - 2, pixels[:, 1].min() - 2, x + 2, pixels[:, 1].max() + 2)]
    line = axes.transData.transform(list(zip(*_front_line(axes, places, means, front), strict=True)))
    avoid += [(x, y - 2, after, y + 2) for (x, y), (after, _) in pairwise(line)]
    label_points(axes, points, [short(model, 22) for model in models], bold=front, avoid=avoid)
    axes.tick_params(labelcolor=MUTED)
