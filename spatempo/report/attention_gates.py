"""Charts and sections on STH's attention and the gates of GSM and GSF, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spatempo.report.figures import GRID, INK, MUTED, WIDE, color, figure_style, fix_layout, new_figure, percent
from spatempo.report.film import Strip, strips_section
from spatempo.report.html import Figures, section, table
from spatempo.report.plots import shorten

Layers = Sequence[Mapping[str, Any]]
"""One row per layer, with ``layer``, ``stage`` and its numbers, in the order of the network."""


def inside_sections(models: Sequence[Mapping[str, Any]], figures: Figures, strips: Sequence[Strip] = ()) -> str:
    """Sections on the models that have ``attention`` or ``gates`` (each with a ``sentence``); empty if none has.

    Args:
        models: results with ``name``.
        figures: charts of the page.
        strips: example videos with the opening of the gates.
    """
    return "\n".join(
        [
            *(_attention(m["name"], m["attention"], figures) for m in models if "attention" in m),
            *(_gates(m["name"], m["gates"], figures) for m in models if "gates" in m),
            strips_section("Where the gates are open", _STRIPS, strips),
        ]
    )


_STRIPS = (
    "Top row: the frames that the model sees. Bottom row: how far the gates are open, the mean over all layers and "
    "both halves of the channels. Grey: closed, nothing is shifted. Bright: fully open."
)


def _attention(name: str, found: Mapping[str, Any], figures: Figures) -> str:
    caption = (
        f"{found['sentence']} The chart shows the weight of the temporal branch of each STH convolution, the mean over "
        f"channels and {found['n']} videos. The band is one standard deviation over the videos. Training starts at "
        "50 % (dashed line). One branch: fraction of channels in which one branch has more than 95 %. If it is high, "
        "the weight is the fraction of channels used for time rather than a balance within each channel. Row "
        "\u201call\u201d: mean over all layers."
    )
    rows = [["stage", "layers", "attention to time", "±", "one branch"]]
    for row in [*found["stages"], {**found, "stage": "all", "layers": len(found["layers"])}]:
        numbers = (percent(row["temporal"]), _spread(row), percent(row["single_branch"]))
        rows.append([row["stage"], str(row["layers"]), *numbers])
    label = "; ".join(f"{row['layer']} {percent(row['temporal'])}" for row in found["layers"])
    drawn = figures.both(lambda width: attention_plot({name: found}, width=width), f"Attention to time: {label}")
    title = f"Inside the network: attention of {name}"
    return section(title, caption, drawn + f"<div class='scroll'>{table(rows)}</div>")


def _gates(name: str, found: Mapping[str, Any], figures: Figures) -> str:
    caption = (
        f"{found['sentence']} A gate of 0 shifts nothing to the neighbouring frame, a gate of 1 shifts everything, and "
        "a gate of -1 shifts everything with inverted sign. Open: absolute value of the gate. Signed: mean with its "
        "sign. Beyond 0.9: fraction of gates that are almost fully open. The numbers are means over "
        f"{found['n']} videos, all frames and pixels. The band is one standard deviation over the videos."
    )
    if "fusion_weight" in found:
        caption += " Weight of the shifted part: set by the fusion; the part that is not shifted has the rest."
    heads = ["layer", "1st half open", "signed", "2nd half open", "signed", "beyond 0.9"]
    rows = [heads + ["weight of the shifted part"] * ("fusion_weight" in found)]
    for row in found["layers"]:
        halves = [cell for half in row["halves"] for cell in (percent(half["open"]), _signed(half["mean"]))]
        fusion = [percent(row["fusion_weight"])] if "fusion_weight" in found else []
        rows.append([row["layer"], *halves, percent(row["fully_open"]), *fusion])
    label = "; ".join(f"{row['layer']} {percent(row['open'])}" for row in found["layers"])
    drawn = figures.both(lambda width: gate_plot(found, width=width), f"How far the gates are open: {label}")
    return section(f"Inside the network: gates of {name}", caption, drawn + f"<div class='scroll'>{table(rows)}</div>")


def _spread(row: Mapping[str, Any]) -> str:
    return "–" if row["spread"] is None else f"{100 * row['spread']:.1f}"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def attention_plot(found: Mapping[str, Mapping[str, Any]], *, width: float = WIDE) -> Figure:
    """Attention to time, layer by layer; bands are one standard deviation over the videos.

    Args:
        found: name (a model, a value of ``p``, a data set) -> result of
            :func:`spatempo.evaluation.inside.attention.attention_weights`. The marked stages are those of the first.
        width: inches.
    """
    lines = {name: [(row["temporal"], row["spread"]) for row in one["layers"]] for name, one in found.items()}
    with figure_style():
        figure = new_figure(width, 3.1)
        axes = figure.subplots()
        axes.axhline(0.5, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        _plot_by_layer(axes, lines, next(iter(found.values()))["layers"])
        axes.set_ylabel("attention to time", fontsize=9)
        return fix_layout(figure)


def gate_plot(found: Mapping[str, Any], *, width: float = WIDE) -> Figure:
    """How far the gates are open, layer by layer, one line per half of the channels; for GSF also the fusion weight.

    Args:
        found: result of :func:`spatempo.evaluation.inside.gates.gate_statistics`.
        width: inches.
    """
    layers = found["layers"]
    lines = {
        f"{which} half, from {layers[0]['halves'][half]['source_frame']} frame": [
            (row["halves"][half]["open"], row["halves"][half]["spread"]) for row in layers
        ]
        for half, which in enumerate(("1st", "2nd"))
    }
    if "fusion_weight" in found:
        lines["weight of the shifted part"] = [(row["fusion_weight"], None) for row in layers]
    with figure_style():
        figure = new_figure(width, 3.1)
        axes = figure.subplots()
        _plot_by_layer(axes, lines, layers)
        axes.set_ylabel("opening of the gates", fontsize=9)
        return fix_layout(figure)


def _plot_by_layer(axes: Axes, lines: Mapping[str, Sequence[tuple[float, float | None]]], layers: Layers) -> None:
    """One line per name, ``(mean, spread)`` layer by layer, values 0 to 1. Thin vertical lines separate the stages."""
    for i, (name, points) in enumerate(lines.items()):
        x = np.arange(1, len(points) + 1)
        mean, spread = np.array([(mean, spread or 0) for mean, spread in points]).T
        axes.fill_between(x, mean - spread, mean + spread, color=color(i), alpha=0.15, linewidth=0)
        marker, style = ("o", "D", "s", "^")[i % 4], ("-", "--", "-.", ":")[i % 4]  # not only by colour
        axes.plot(x, mean, style, marker=marker, markersize=4.5, color=color(i), linewidth=1.8, label=shorten(name, 36))
    end = 0
    stages = [(stage, len(list(rows))) for stage, rows in groupby(layers, key=lambda row: row["stage"])]
    for stage, count in stages if 1 < len(stages) < len(layers) else ():
        if end:
            axes.axvline(end + 0.5, color=GRID, linewidth=1, zorder=0)
        middle = (end + (count + 1) / 2, 1.12)
        axes.text(*middle, shorten(stage, 12), ha="center", va="top", fontsize=9, color=MUTED)
        end += count
    wide = axes.figure.bbox.width > 600
    most = max(len(points) for points in lines.values())
    every = -(-most // (20 if wide else 10))
    axes.set_xticks(range(1, most + 1, every))
    axes.set_xlim(0.5, most + 0.5)
    axes.set_xlabel("layer, from the input to the output", fontsize=9)
    axes.set_ylim(0, 1.13)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=9, labelcolor=INK)
    longest = max(len(name) for name in lines)
    position = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.1}
    axes.legend(ncols=1 if longest > 14 and not wide else 3, frameon=False, fontsize=9.5, **position)
