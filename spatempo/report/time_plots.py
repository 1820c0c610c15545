"""Charts of what a model sees of time, each a function of plain numbers to a matplotlib figure of a given width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from spatempo.report.figures import GRID, INK, WIDE, color, look, new_figure, settle
from spatempo.report.plots import short

Share = tuple[float, float, float]
"""A share right and its interval: (value, low, high)."""

MARKERS = ("o", "D", "s", "^")  # not by colour alone


def interval_dots(values: Mapping[str, Mapping[str, Share]], *, numbers: bool = False, width: float = WIDE) -> Figure:
    """A dot with its interval for every group and series; groups one under the other.

    Args:
        values: series (model, or condition) -> group (condition, or class) -> share and interval.
        numbers: write every share beside its dot.
        width: inches; on a narrow one the name of a group stands above its dots.
    """
    groups = list(dict.fromkeys(group for row in values.values() for group in row))
    narrow = width < 6
    step = len(values) + (1.6 if narrow else 0.8)  # in rows
    with look():
        figure = new_figure(width, 0.19 * step * len(groups) + 0.95)
        axes = figure.subplots()
        for s, (series, row) in enumerate(values.items()):
            places = [g * step + s for g, group in enumerate(groups) if group in row]
            shares = np.array([row[group] for group in groups if group in row]).reshape(-1, 3)
            axes.hlines(places, shares[:, 1], shares[:, 2], color=color(s), linewidth=2.2, alpha=0.55)
            axes.plot(
                shares[:, 0],
                places,
                MARKERS[s % 4],
                color=color(s),
                markersize=6.5,
                label=short(series, 26),
                clip_on=False,
            )
            for y, (share, _, high) in zip(places, shares if numbers else (), strict=False):
                axes.text(high + 0.012, y, f"{100 * share:.1f} %", va="center", fontsize=9, color=INK)
        middles = [g * step + (len(values) - 1) / 2 for g in range(len(groups))]
        if narrow:
            axes.set_yticks([])
            for g, group in enumerate(groups):
                axes.text(0, g * step - 0.62, short(group, 40), fontsize=9.5, va="bottom", color=INK)
        else:
            axes.set_yticks(middles, [short(group, 30) for group in groups], fontsize=10)
        above = 1.6 if narrow else 0.9  # rows from a group's line to its first dot
        axes.hlines([g * step - above for g in range(1, len(groups))], 0, 1, color=GRID, linewidth=0.8, zorder=0)
        axes.set_ylim(len(groups) * step - (0.9 if narrow else 0.3), -1.9 if narrow else -0.9)
        axes.set_xlim(0, 1.12 if numbers else 1.01)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.tick_params(length=0)
        axes.tick_params(axis="y", pad=8)  # a dot at 0 is drawn whole, and must not touch the name before it
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=9.5, borderaxespad=0.1)
        return settle(figure)


def accuracy_by_frames(curves: Mapping[str, Mapping[int, Share]], *, width: float = WIDE) -> Figure:
    """Accuracy against the number of frames of a clip, on a doubling scale, with intervals as bands.

    Args:
        curves: model -> number of frames -> share and interval.
        width: inches.
    """
    counts = sorted({count for curve in curves.values() for count in curve})
    with look():
        figure = new_figure(width, 2.9)
        axes = figure.subplots()
        for m, (model, curve) in enumerate(curves.items()):
            shares = np.array([curve[count] for count in sorted(curve)])
            axes.fill_between(sorted(curve), shares[:, 1], shares[:, 2], color=color(m), alpha=0.15, linewidth=0)
            axes.plot(
                sorted(curve),
                shares[:, 0],
                ("-", "--", "-.", ":")[m % 4],
                marker=MARKERS[m % 4],
                color=color(m),
                linewidth=2,
                label=short(model, 26),
            )
        axes.set_xscale("log", base=2)
        axes.minorticks_off()
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.set_xlabel("frames of a clip", fontsize=9)
        axes.set_ylim(0, 1.03)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
        axes.grid(color=GRID, linewidth=0.8)
        axes.tick_params(length=0, labelsize=9)
        axes.legend(frameon=False, fontsize=9.5)
        return settle(figure)


def influence_map(share: Sequence[Sequence[float]], *, title: str = "", width: float = WIDE / 2) -> Figure:
    """How the gradient of every position's logits is spread over the frames of the clip.

    Args:
        share: ``[T'][T]``, rows sum to 1; a 0 stays white: the frame is not seen at all.
        title: above it.
        width: inches.
    """
    values = np.asarray(share, float)
    rows, frames = values.shape
    cell = (width - 0.75) / frames
    with look():
        figure = new_figure(width, max(cell * rows, 0.5) + 0.95)
        axes = figure.subplots()
        # by its root: a neighbour with a twentieth of the frame's own weight is seen to be there
        seen = np.ma.masked_equal(np.sqrt(values), 0)
        axes.imshow(seen, cmap="Blues", vmin=-0.15, vmax=1, aspect="equal")
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
        axes.set_xlabel("looks at frame", fontsize=9)
        axes.set_ylabel("the score of frame" if rows == frames else "the score at position", fontsize=9)
        if title:
            axes.set_title(short(title, 36), fontsize=11, fontweight="bold", color=INK)
        return settle(figure)
