"""What goes on inside a network, layer by layer: STH's attention, GSM's and GSF's gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spatempo.report.figures import GRID, INK, MUTED, WIDE, color, look, new_figure, percent, settle
from spatempo.report.film import Strip, strips_section
from spatempo.report.html import Figures, section, table
from spatempo.report.plots import short

Layers = Sequence[Mapping[str, Any]]
"""Rows with ``layer``, ``stage`` and the numbers of one layer each, in the order of the network."""


def inside_sections(models: Sequence[Mapping[str, Any]], figures: Figures, strips: Sequence[Strip] = ()) -> str:
    """The sections on models that have ``attention`` or ``gates``, each with a ``sentence``; nothing without any.

    Args:
        models: with ``name``.
        figures: of the page.
        strips: videos with how far gates are open.
    """
    return "\n".join(
        [
            *(_attention(m["name"], m["attention"], figures) for m in models if "attention" in m),
            *(_gates(m["name"], m["gates"], figures) for m in models if "gates" in m),
            strips_section("Where the gates are open", _STRIPS, strips),
        ]
    )


_STRIPS = (
    "Above: the frames that the model saw. Below: how far gates are open there, the mean of all layers and halves "
    "(the grey picture: shut, nothing moves; bright: open all the way)."
)


def _attention(name: str, found: Mapping[str, Any], figures: Figures) -> str:
    caption = (
        f"{found['sentence']} Share of the weight that the temporal branch of each STH convolution gets, a mean over "
        f"channels and {found['n']} videos (all: layers count alike); the band is one standard deviation of the "
        "videos. Training starts at 50 % (dashed). Settled: channels in which one branch has more than 95 %; where "
        "they are many, the share is of channels given over to time rather than a balance within each."
    )
    rows = [["stage", "layers", "time", "±", "settled"]]
    for row in [*found["stages"], {**found, "stage": "all", "layers": len(found["layers"])}]:
        numbers = (percent(row["temporal"]), _spread(row), percent(row["settled"]))
        rows.append([row["stage"], str(row["layers"]), *numbers])
    spoken = "; ".join(f"{row['layer']} {percent(row['temporal'])}" for row in found["layers"])
    drawn = figures.both(lambda width: attention_plot({name: found}, width=width), f"Attention to time: {spoken}")
    return section(
        f"Inside the network: {name}'s attention", caption, drawn + f"<div class='scroll'>{table(rows)}</div>"
    )


def _gates(name: str, found: Mapping[str, Any], figures: Figures) -> str:
    caption = (
        f"{found['sentence']} A gate of 0 moves nothing to the neighbouring frame, one of 1 all that is there, one of "
        f"-1 all of it with its sign turned; open is how far it is from 0. Means over {found['n']} videos, all frames "
        "and pixels; the band is one standard deviation of the videos. Signed: the mean with its sign."
    )
    if "fusion" in found:
        caption += " Weighs in: the weight that the fusion gives what comes in; what stays has the rest."
    heads = ["layer", "1st half open", "signed", "2nd half open", "signed", "beyond 0.9"]
    rows = [heads + ["weighs in"] * ("fusion" in found)]
    for row in found["layers"]:
        halves = [told for half in row["halves"] for told in (percent(half["open"]), _signed(half["mean"]))]
        fusion = [percent(row["fusion"])] if "fusion" in found else []
        rows.append([row["layer"], *halves, percent(row["full"]), *fusion])
    spoken = "; ".join(f"{row['layer']} {percent(row['open'])}" for row in found["layers"])
    drawn = figures.both(lambda width: gate_plot(found, width=width), f"How far gates are open: {spoken}")
    return section(f"Inside the network: {name}'s gates", caption, drawn + f"<div class='scroll'>{table(rows)}</div>")


def _spread(row: Mapping[str, Any]) -> str:
    return "–" if row["spread"] is None else f"{100 * row['spread']:.1f}"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def attention_plot(found: Mapping[str, Mapping[str, Any]], *, width: float = WIDE) -> Figure:
    """The share of attention that goes to time, layer by layer; bands are one standard deviation of the videos.

    Args:
        found: name (a model, a p, a data set) -> what
            :func:`spatempo.evaluation.inside.attention.attention_shares` gives. The stages marked are those of the
            first.
        width: inches.
    """
    lines = {name: [(row["temporal"], row["spread"]) for row in shares["layers"]] for name, shares in found.items()}
    with look():
        figure = new_figure(width, 3.1)
        axes = figure.subplots()
        axes.axhline(0.5, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        over_layers(axes, lines, next(iter(found.values()))["layers"])
        axes.set_ylabel("attention to time", fontsize=9)
        return settle(figure)


def gate_plot(found: Mapping[str, Any], *, width: float = WIDE) -> Figure:
    """How far gates are open, layer by layer, a line for each half of the channels; of GSF the fusion's weight too.

    Args:
        found: what :func:`spatempo.evaluation.inside.gates.gate_statistics` gives.
        width: inches.
    """
    layers = found["layers"]
    lines = {
        f"{which} half, from {layers[0]['halves'][half]['comes_from']} frame": [
            (row["halves"][half]["open"], row["halves"][half]["spread"]) for row in layers
        ]
        for half, which in enumerate(("1st", "2nd"))
    }
    if "fusion" in found:
        lines["weight of what comes in"] = [(row["fusion"], None) for row in layers]
    with look():
        figure = new_figure(width, 3.1)
        axes = figure.subplots()
        over_layers(axes, lines, layers)
        axes.set_ylabel("open", fontsize=9)
        return settle(figure)


def over_layers(axes: Axes, lines: Mapping[str, Sequence[tuple[float, float | None]]], layers: Layers) -> None:
    """A line for each name, ``(mean, spread)`` layer by layer, shares of 0 to 1; stages are parted by thin lines."""
    for i, (name, points) in enumerate(lines.items()):
        x = np.arange(1, len(points) + 1)
        mean, spread = np.array([(mean, spread or 0) for mean, spread in points]).T
        axes.fill_between(x, mean - spread, mean + spread, color=color(i), alpha=0.15, linewidth=0)
        marker, style = ("o", "D", "s", "^")[i % 4], ("-", "--", "-.", ":")[i % 4]  # not by colour alone
        axes.plot(x, mean, style, marker=marker, markersize=4.5, color=color(i), linewidth=1.8, label=short(name, 36))
    end = 0
    stages = [(stage, len(list(rows))) for stage, rows in groupby(layers, key=lambda row: row["stage"])]
    for stage, count in stages if 1 < len(stages) < len(layers) else ():
        if end:
            axes.axvline(end + 0.5, color=GRID, linewidth=1, zorder=0)
        middle = (end + (count + 1) / 2, 1.12)
        axes.text(*middle, short(stage, 12), ha="center", va="top", fontsize=9, color=MUTED)
        end += count
    wide = axes.figure.bbox.width > 600
    most = max(len(points) for points in lines.values())
    every = -(-most // (20 if wide else 10))
    axes.set_xticks(range(1, most + 1, every))
    axes.set_xlim(0.5, most + 0.5)
    axes.set_xlabel("layer, from the picture to the answer", fontsize=9)
    axes.set_ylim(0, 1.13)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=9, labelcolor=INK)
    longest = max(len(name) for name in lines)
    place = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.1}
    axes.legend(ncols=1 if longest > 14 and not wide else 3, frameon=False, fontsize=9.5, **place)
