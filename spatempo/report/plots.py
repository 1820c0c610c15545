"""Charts of a comparison. Each function takes numbers and returns a matplotlib figure of a given width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from spatempo.report.figures import GRID, INK, LIGHT, MUTED, WIDE, color, figure_style, fix_layout, new_figure

Numbers = Mapping[str, float | None]


def accuracy_bars(
    values: Mapping[str, Numbers],
    *,
    chance: float | Mapping[str, float] | None = 0.5,
    chance_label: str = "chance level",
    notes: Mapping[str, str] | None = None,
    width: float = WIDE,
) -> Figure:
    """Horizontal bars of accuracy, one group per family or pair, one bar per model.

    Args:
        values: model -> group -> accuracy between 0 and 1; there is no bar for a missing group or None.
        chance: chance level, drawn as a dashed line: one value for all groups, or by group (no line for a missing
            group).
        chance_label: label of the line.
        notes: a second, smaller line below the name of a group.
        width: inches.
    """
    models = list(values)
    groups = list(dict.fromkeys(g for row in values.values() for g in row))
    narrow = width < 6
    step = len(models) + 0.9  # in bars
    inches = 0.27 * step * len(groups) + 0.55 + (0.2 * len(groups) if narrow else 0)
    with figure_style():
        figure = new_figure(width, inches)
        axes = figure.subplots()
        for g, group in enumerate(groups):
            for m, model in enumerate(models):
                value = values[model].get(group)
                if value is not None:
                    _bar(axes, g * step + m, float(value), shorten(model, 22), color(m), narrow)
        _group_names(axes, groups, notes or {}, step, len(models), narrow)
        lines = dict.fromkeys(groups, chance) if isinstance(chance, int | float) else dict(chance or {})
        _chance_lines(axes, [lines.get(g) for g in groups], step, len(models), chance_label, through=not narrow)
        axes.set_ylim(len(groups) * step - 0.75 + (0.35 if lines else 0), -1.2 if narrow else -0.65)
        axes.set_xlim(0, 1.12 if not narrow else 1.16)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.tick_params(length=0)
        return fix_layout(figure)


def confusion_matrix(
    matrix: Sequence[Sequence[int]],
    classes: Sequence[str],
    *,
    title: str = "",
    groups: Sequence[Sequence[str]] = (),
    width: float = WIDE / 2,
) -> Figure:
    """Heat map of the confusion matrix. Rows are true classes, normalised to a sum of 1 (dark: frequent).

    Args:
        matrix: ``matrix[true class][predicted class]``, counts, K x K.
        classes: K names; more than 40 are not written on the axes.
        title: title of the chart.
        groups: classes that belong together (a movement and its reverse): they are placed next to each other and
            framed, so that a model which confuses only them shows as blocks.
        width: inches.
    """
    order, blocks = grouped_order(classes, groups)
    counts = np.asarray(matrix, float)[np.ix_(order, order)]
    rows = counts.sum(1, keepdims=True)
    fractions = np.divide(counts, rows, out=np.zeros_like(counts), where=rows > 0)
    k = len(order)
    names = [classes[i] for i in order]
    with figure_style():
        named = k <= 40
        longest = max((len(shorten(n)) for n in names), default=0) if named else 0
        margin = min(0.066 * longest + 0.55, 0.5 * width)  # inches, for the names at the left of the rows
        cell = (width - margin) / k
        figure = new_figure(width, width - margin + 0.75)
        axes = figure.subplots()
        axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1, aspect="equal")
        if cell > 0.16:  # in smaller cells numbers are unreadable
            digits = max(2, len(str(int(counts.max()))))
            for (i, j), fraction in np.ndenumerate(fractions):
                if counts[i, j]:
                    ink = "white" if fraction > 0.55 else INK
                    size = min(10, 80 * cell / digits)
                    axes.text(j, i, f"{counts[i, j]:.0f}", ha="center", va="center", fontsize=size, color=ink)
        # Names are written only at the rows; columns have the same numbers (rotated names are hard to read).
        size = float(np.clip(62 * cell, 7, 10))
        every = 1 if k < 10 or cell > 0.16 else 2
        axes.set_yticks([*range(k)] * named, [f"{shorten(n)}\u2002{i}" for i, n in enumerate(names, 1)] * named)
        axes.set_xticks([*range(0, k, every)] * named, [str(i) for i in range(1, k + 1, every)] * named)
        axes.tick_params(length=0, labelsize=size, labelcolor=INK)
        axes.tick_params(axis="x", labelsize=min(size, 47 * cell * every))
        for start, size in blocks:
            frame = Rectangle((start - 0.5, start - 0.5), size, size, fill=False, edgecolor="#D55E00", linewidth=1.4)
            axes.add_patch(frame)
        axes.spines[:].set_visible(True)
        axes.spines[:].set_color(GRID)
        axes.set_xlabel("predicted class", fontsize=9)
        if title:
            shown = shorten(title, int(width / 0.105))  # inches per letter
            fits = 0.105 * len(shown) < width - margin  # else it extends over the names of the rows
            axes.set_title(shown, loc="center" if fits else "right", fontsize=11, fontweight="bold", color=INK)
        return fix_layout(figure)


def training_curves(curves: Mapping[str, Mapping[str, Sequence[float | None]]], *, width: float = WIDE) -> Figure:
    """One panel per quantity, one line per model.

    Args:
        curves: model -> quantity -> values, one per epoch; the quantity ``"epoch"`` is the x axis (default: 1, 2,
            ...). None leaves a gap.
        width: inches; panels are drawn side by side if the width allows it.
    """
    panels = list(dict.fromkeys(q for curve in curves.values() for q in curve if q != "epoch"))
    across = min(len(panels), 2) if width >= 6 else 1
    down = -(-len(panels) // across)
    with figure_style():
        figure = new_figure(width, 2.5 * down)
        grid = figure.subplots(down, across, squeeze=False).ravel()
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        for axes, quantity in zip(grid, panels, strict=False):
            for m, (model, curve) in enumerate(curves.items()):
                values = np.array([np.nan if v is None else v for v in curve.get(quantity, [])], float)
                epochs = np.asarray(curve.get("epoch", range(1, len(values) + 1)), float)[: len(values)]
                style = ("-", "--", "-.", ":")[m % 4]  # models differ not only by colour
                axes.plot(
                    epochs,
                    values,
                    style,
                    color=color(m),
                    linewidth=2,
                    label=shorten(model, 22),
                    marker="o",
                    markersize=2.5,
                )
            axes.set_title(shorten(quantity, 36), loc="left", fontsize=10, fontweight="bold", color=INK)
            axes.set_xlabel("epoch", fontsize=9)
            axes.grid(color=GRID, linewidth=0.8)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.tick_params(length=0, labelsize=9)
            if "top" in quantity or "accuracy" in quantity:
                axes.set_ylim(0, 1.03)
        grid[0].legend(frameon=False, fontsize=9)
        return fix_layout(figure)


def grouped_order(classes: Sequence[str], groups: Sequence[Sequence[str]]) -> tuple[list[int], list[tuple[int, int]]]:
    """An order of classes in which every group is contiguous.

    Returns:
        Indices into `classes`, and ``(start, size)`` of every group in that order. A group is placed at the position
        of the first of its classes; unknown names are ignored.
    """
    index = {name: i for i, name in enumerate(classes)}
    members = [[index[name] for name in group if name in index] for group in groups]
    group_of = {i: m for m in members for i in m}
    order: list[int] = []
    blocks = []
    for i in range(len(classes)):
        if i in order:
            continue
        block = group_of.get(i, [i])
        if len(block) > 1:
            blocks.append((len(order), len(block)))
        order.extend(block)
    return order, blocks


def _bar(axes: Axes, y: float, value: float, model: str, fill: str, narrow: bool) -> None:
    """A bar with the name of its model inside (after a short bar) and its value after it, so no legend is needed."""
    axes.barh(y, value, height=0.86, color=fill)
    size = 9 if narrow else 10
    unit = 2.8 if narrow else 6.2  # inches from 0 to 1, approximately
    letter = 0.68 * size / 72 / unit  # the width of a bold letter is 0.68 of its height
    percent = f"{100 * value:.0f} %"
    inside = int((value - 0.03) / letter)  # number of letters that fit into the bar, and after its value
    after = int(((1.16 if narrow else 1.12) - value - 0.015) / letter) - len(percent) - 1
    background = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}  # readable on top of the dashed line
    style = {"va": "center", "fontsize": size, "color": INK, "bbox": background, "zorder": 4}
    if len(model) <= inside or inside > after:
        ink = INK if fill in LIGHT else "white"
        axes.text(0.012, y, shorten(model, inside), va="center", color=ink, fontsize=size, fontweight="bold")
        axes.text(value + 0.015, y, percent, **style)
    else:
        axes.text(value + 0.015, y, f"{percent}\u2002{shorten(model, after)}", **style)


def _group_names(
    axes: Axes, groups: Sequence[str], notes: Mapping[str, str], step: float, bars: int, narrow: bool
) -> None:
    """Names of the groups, at the left of the bars; in a narrow chart above them."""
    if narrow:
        axes.set_yticks([])
        for g, group in enumerate(groups):
            text = axes.text(
                0, g * step - 0.52, shorten(group, 36), fontsize=9.5, fontweight="bold", va="bottom", color=INK
            )
            if group in notes:
                after = {"xycoords": text, "xytext": (5, 0), "textcoords": "offset points"}
                note = shorten(notes[group], 46 - min(len(group), 36))
                axes.annotate(note, (1, 0), fontsize=8.5, color=MUTED, va="bottom", ha="left", **after)
        return
    middles = [g * step + (bars - 1) / 2 for g in range(len(groups))]
    axes.set_yticks(middles, [shorten(g, 30) + "\n" * (g in notes) for g in groups], fontsize=11, fontweight="bold")
    for y, group in zip(middles, groups, strict=True):
        if group in notes:
            axes.annotate(
                shorten(notes[group], 36),
                (0, y),
                xycoords=("axes fraction", "data"),
                xytext=(-4, -3),
                textcoords="offset points",
                ha="right",
                va="top",
                fontsize=9,
                color=MUTED,
            )


def _chance_lines(axes: Axes, at: Sequence[float | None], step: float, bars: int, label: str, through: bool) -> None:
    """A dashed line through the bars of every group with a chance level (and `through` the gaps), with a label."""
    drawn = [(g, value) for g, value in enumerate(at) if value is not None]
    for g, value in drawn:
        top, bottom = g * step - 0.5, g * step + bars - 0.38
        joined = through and g + 1 < len(at) and at[g + 1] == value
        axes.plot([value, value], [top, bottom + (step - bars) * joined], "--", color=INK, linewidth=1.8, zorder=3)
    if drawn:
        g, value = drawn[-1]
        end = g * step + bars - 0.36
        axes.text(value, end, label, ha="center", va="top", fontsize=9.5, color=INK, fontweight="bold")


def shorten(name: str, most: int = 28) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
