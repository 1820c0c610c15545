"""Charts of `diagnose`. Each function takes numbers and returns a matplotlib figure of a given width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from spatempo.report.figures import GRID, INK, WIDE, color, figure_style, fix_layout, new_figure
from spatempo.report.plots import shorten

Estimate = tuple[float, float, float]
"""An accuracy and its confidence interval: (value, low, high)."""

MARKERS = ("o", "D", "s", "^")  # series differ not only by colour


def interval_dots(
    values: Mapping[str, Mapping[str, Estimate]], *, numbers: bool = False, width: float = WIDE
) -> Figure:
    """A dot with its interval for every group and series; the groups are placed below each other.

    Args:
        values: series (model, or condition) -> group (condition, or class) -> accuracy and interval.
        numbers: write every accuracy next to its dot.
        width: inches; in a narrow chart, the name of a group is above its dots.
    """
    groups = list(dict.fromkeys(group for row in values.values() for group in row))
    narrow = width < 6
    step = len(values) + (1.6 if narrow else 0.8)  # in rows
    # a legend wider than the chart would shrink its axes
    legend_columns = 1 if narrow and max(map(len, values), default=0) > 12 else 2
    legend_rows = -(-len(values) // legend_columns)
    with figure_style():
        figure = new_figure(width, 0.19 * step * len(groups) + 0.75 + 0.2 * legend_rows)
        axes = figure.subplots()
        for s, (series, row) in enumerate(values.items()):
            y_values = [g * step + s for g, group in enumerate(groups) if group in row]
            estimates = np.array([row[group] for group in groups if group in row]).reshape(-1, 3)
            axes.hlines(y_values, estimates[:, 1], estimates[:, 2], color=color(s), linewidth=2.2, alpha=0.55)
            axes.plot(
                estimates[:, 0],
                y_values,
                MARKERS[s % 4],
                color=color(s),
                markersize=6.5,
                label=shorten(series, 26),
                clip_on=False,
            )
            for y, (accuracy, _, high) in zip(y_values, estimates if numbers else (), strict=False):
                axes.text(high + 0.012, y, f"{100 * accuracy:.1f} %", va="center", fontsize=9, color=INK)
        middles = [g * step + (len(values) - 1) / 2 for g in range(len(groups))]
        if narrow:
            axes.set_yticks([])
            for g, group in enumerate(groups):
                axes.text(0, g * step - 0.62, shorten(group, 40), fontsize=9.5, va="bottom", color=INK)
        else:
            axes.set_yticks(middles, [shorten(group, 30) for group in groups], fontsize=10)
        above = 1.6 if narrow else 0.9  # rows from the line of a group to its first dot
        axes.hlines([g * step - above for g in range(1, len(groups))], 0, 1, color=GRID, linewidth=0.8, zorder=0)
        axes.set_ylim(len(groups) * step - (0.9 if narrow else 0.3), -1.9 if narrow else -0.9)
        axes.set_xlim(0, 1.12 if numbers else 1.01)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.tick_params(length=0)
        axes.tick_params(axis="y", pad=8)  # a dot at 0 must not touch the name at its left
        position = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.1}
        axes.legend(ncols=legend_columns, frameon=False, fontsize=9.5, **position)
        return fix_layout(figure)


def accuracy_by_frames(curves: Mapping[str, Mapping[int, Estimate]], *, width: float = WIDE) -> Figure:
    """Accuracy against the number of frames per clip, on a logarithmic axis, with intervals as bands.

    Args:
        curves: model -> number of frames -> accuracy and interval.
        width: inches.
    """
    counts = sorted({count for curve in curves.values() for count in curve})
    with figure_style():
        figure = new_figure(width, 2.9)
        axes = figure.subplots()
        for m, (model, curve) in enumerate(curves.items()):
            estimates = np.array([curve[count] for count in sorted(curve)])
            axes.fill_between(sorted(curve), estimates[:, 1], estimates[:, 2], color=color(m), alpha=0.15, linewidth=0)
            axes.plot(
                sorted(curve),
                estimates[:, 0],
                ("-", "--", "-.", ":")[m % 4],
                marker=MARKERS[m % 4],
                color=color(m),
                linewidth=2,
                label=shorten(model, 26),
            )
        axes.set_xscale("log", base=2)
        axes.minorticks_off()
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.set_xlabel("frames per clip", fontsize=9)
        axes.set_ylabel("accuracy", fontsize=9)
        axes.set_ylim(0, 1.03)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
        axes.grid(color=GRID, linewidth=0.8)
        axes.tick_params(length=0, labelsize=9)
        axes.legend(frameon=False, fontsize=9.5)
        return fix_layout(figure)


def influence_map(fractions: Sequence[Sequence[float]], *, title: str = "", width: float = WIDE / 2) -> Figure:
    """Distribution of the gradient of the logits at every position over the frames of the clip.

    Args:
        fractions: ``[T'][T]``, rows sum to 1; a 0 is drawn white: the score does not depend on the frame.
        title: title of the chart.
        width: inches.
    """
    values = np.asarray(fractions, float)
    rows, frames = values.shape
    cell = (width - 0.75) / frames
    with figure_style():
        figure = new_figure(width, max(cell * rows, 0.5) + 0.95)
        axes = figure.subplots()
        # the square root makes small values visible, such as a neighbour with a twentieth of the weight of the frame
        shades = np.ma.masked_equal(np.sqrt(values), 0)
        axes.imshow(shades, cmap="Blues", vmin=-0.15, vmax=1, aspect="equal")
        if cell > 0.3:
            size = float(np.clip(24 * cell, 7, 9.5))
            for (i, j), value in np.ndenumerate(values):
                if value > 0:
                    text = f"{100 * value:.0f}" if value >= 0.005 else "<1"
                    ink = "white" if np.sqrt(value) > 0.6 else INK
                    axes.text(j, i, text, ha="center", va="center", fontsize=size, color=ink)
        every = 1 if cell > 0.16 else 4
        axes.set_xticks(range(0, frames, every), [str(t + 1) for t in range(0, frames, every)])
        axes.set_yticks(range(0, rows, every), [str(t + 1) for t in range(0, rows, every)])
        axes.tick_params(length=0, labelsize=9, labelcolor=INK)
        axes.spines[:].set_visible(True)
        axes.spines[:].set_color(GRID)
        axes.set_xlabel("frame of the clip", fontsize=9)
        axes.set_ylabel("score of frame" if rows == frames else "score at position", fontsize=9)
        if title:
            axes.set_title(shorten(title, 36), fontsize=11, fontweight="bold", color=INK)
        return fix_layout(figure)
