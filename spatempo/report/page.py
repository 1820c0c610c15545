"""One self-contained HTML page out of plain results: no network, no scripts, for laptops and phones.

>>> write_report("report.html", "TSN and TSM", "TSN cannot tell a movement from its reverse; TSM can.",
...              models=[ModelResult("tsn", {"top1": 0.5}, {"direction": 0.5}), ...], headline="direction")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import count
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from spatempo.errors import SpatempoError
from spatempo.report.figures import NARROW, WIDE, color, png_data, svg, write_atomically
from spatempo.report.plots import accuracy_bars, confusion_matrix, training_curves
from spatempo.report.style import CSS

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"  # the page cannot load anything, by contract


@dataclass
class ModelResult:
    """What the page shows of one model. Only the name is needed; what is empty is left out.

    Attributes:
        name: short, as people say it.
        row: its line of the table, in any unit-free form: ``params``, ``macs`` (counts), ``top1``, ``top5``,
            ``mean_class`` (shares), ``latency_ms``, ``seconds``; other keys are shown as they are.
        families: family -> share right (within the pair where there are pairs).
        pairs: pair -> share right within the pair.
        confusion: ``[truth][answer]``, counts.
        classes: names of its rows.
        curve: quantity -> value per epoch; ``"epoch"`` is the x axis.
    """

    name: str
    row: Mapping[str, object] = field(default_factory=dict)
    families: Mapping[str, float | None] = field(default_factory=dict)
    pairs: Mapping[str, float | None] = field(default_factory=dict)
    confusion: Sequence[Sequence[int]] | None = None
    classes: Sequence[str] = ()
    curve: Mapping[str, Sequence[float | None]] = field(default_factory=dict)


@dataclass
class Strip:
    """Frames of one video and what the models answered.

    Attributes:
        title: above it.
        frames: uint8 ``[T, H, W, 3]``, RGB; small ones (64-128 pixels) keep the page small.
        truth: its class.
        answers: model -> class.
    """

    title: str
    frames: np.ndarray
    truth: str
    answers: Mapping[str, str]


def write_report(
    path: str | Path,
    title: str,
    sentence: str,
    *,
    models: Sequence[ModelResult],
    strips: Sequence[Strip] = (),
    chance: float | Mapping[str, float] | None = 0.5,
    headline: str | None = None,
    question: str = "This movement, or its reverse? Answered right in",
    family_notes: Mapping[str, str] | None = None,
    groups: Sequence[Sequence[str]] = (),
    notes: Sequence[str] = (),
) -> Path:
    """Writes the page, atomically.

    Args:
        path: of the ``.html`` file.
        title: heading.
        sentence: what a stranger should take away, in one sentence.
        models: in the order of their colours.
        strips: videos to look at.
        chance: the line drawn in the accuracy charts, for all groups or by family.
        headline: a family whose accuracy stands in large figures at the top; None: no figures.
        question: above these figures.
        family_notes: family -> a few words on what it asks.
        groups: classes that belong together, framed in the confusion matrices.
        notes: paragraphs at the foot: data, protocol, seed, machine.

    Returns:
        The path.

    Raises:
        SpatempoError: no models, two of one name, frames that are no pictures, or the file cannot be written.
    """
    if not models:
        raise SpatempoError("report: no models given; give at least one ModelResult")
    if len({m.name for m in models}) < len(models):
        raise SpatempoError("report: two models have one name; give each its own")
    figures = _Figures()
    colors = {m.name: color(i) for i, m in enumerate(models)}
    parts = [
        f"<h1>{escape(title)}</h1>\n<p class='lead'>{escape(sentence)}</p>",
        _cards(models, headline, question, colors),
        _families(models, chance, family_notes, figures),
        _strips(strips),
        _table(models),
        _pairs(models, chance, figures),
        _confusions(models, groups, figures),
        _curves(models, figures),
        "<footer>" + "".join(f"<p>{escape(note)}</p>" for note in notes) + "</footer>" if notes else "",
    ]
    body = "\n".join(part for part in parts if part)
    page = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(title)}</title>
<style>{CSS}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""
    return write_atomically(path, page.encode())


class _Figures:
    """Puts a chart on the page, in a version for laptops and one for phones."""

    def __init__(self) -> None:
        self._count = count(1)

    def both(self, draw: Callable[[float], Figure], label: str, wide: float = WIDE, narrow: float = NARROW) -> str:
        drawn = [svg(draw(inches), label, f"f{next(self._count)}") for inches in (wide, narrow)]
        return "".join(f"<div class='{c}'>{d}</div>" for c, d in zip(("wide", "narrow"), drawn, strict=True))


def _section(heading: str, caption: str, body: str) -> str:
    about = f"<p class='caption'>{escape(caption)}</p>" if caption else ""
    return f"<section><h2>{escape(heading)}</h2>{about}{body}</section>"


def _cards(models: Sequence[ModelResult], headline: str | None, question: str, colors: Mapping[str, str]) -> str:
    cards = [
        f"<div class='card' style='--model: {colors[m.name]}'><div class='name'>{escape(m.name)}</div>"
        f"<div class='value'>{100 * value:.0f}&nbsp;%</div><div class='verdict'>{_verdict(value)}</div></div>"
        for m in models
        if headline is not None and (value := m.families.get(headline)) is not None
    ]
    if not cards:
        return ""
    return f"<p class='question'>{escape(question)}</p><div class='cards'>{''.join(cards)}</div>"


def _verdict(value: float) -> str:
    if abs(value - 0.5) <= 0.1:
        return "no better than a coin"
    if value < 0.5:
        return "worse than a coin"
    return "it tells them apart" if value >= 0.9 else "better than a coin"


def _families(
    models: Sequence[ModelResult],
    chance: float | Mapping[str, float] | None,
    notes: Mapping[str, str] | None,
    figures: _Figures,
) -> str:
    values = {m.name: m.families for m in models if m.families}
    if not values:
        return ""
    label = "Accuracy by family. " + _spoken(values)
    draw = lambda width: accuracy_bars(values, chance=chance, notes=notes, width=width)  # noqa: E731
    caption = "Share of right answers. At the dashed line a model answers as a coin would: it does not see the order."
    return _section("Accuracy by family", caption, figures.both(draw, label))


def _pairs(models: Sequence[ModelResult], chance: float | Mapping[str, float] | None, figures: _Figures) -> str:
    values = {m.name: m.pairs for m in models if m.pairs}
    if not values:
        return ""
    line = chance if isinstance(chance, int | float) else 0.5  # a pair has two classes
    draw = lambda width: accuracy_bars(values, chance=line, width=width)  # noqa: E731
    caption = "The answer is restricted to the two classes of the pair."
    return _section("Accuracy within each pair", caption, figures.both(draw, "Accuracy by pair. " + _spoken(values)))


def _confusions(models: Sequence[ModelResult], groups: Sequence[Sequence[str]], figures: _Figures) -> str:
    drawn = []
    for m in models:
        if m.confusion is None:
            continue
        if not len(m.confusion) == len(m.classes):
            raise SpatempoError(f"report: {m.name} has {len(m.confusion)} rows of confusion, {len(m.classes)} classes")

        def draw(width: float, m: ModelResult = m) -> Figure:
            return confusion_matrix(m.confusion or [], m.classes, title=m.name, groups=groups, width=width)

        drawn.append(f"<div>{figures.both(draw, f'Confusion matrix of {m.name}', wide=WIDE / 2)}</div>")
    if not drawn:
        return ""
    caption = "A row is a true class, a column an answer (columns have the numbers of the rows); dark is often."
    if groups:
        caption += " Frames hold the classes that are each other's reverse."
    return _section("What is taken for what", caption, f"<div class='matrices'>{''.join(drawn)}</div>")


def _curves(models: Sequence[ModelResult], figures: _Figures) -> str:
    curves = {m.name: m.curve for m in models if any(q != "epoch" for q in m.curve)}
    if not curves:
        return ""
    draw = lambda width: training_curves(curves, width=width)  # noqa: E731
    return _section("Training", "", figures.both(draw, "Training curves of " + ", ".join(curves)))


def _strips(strips: Sequence[Strip]) -> str:
    if not strips:
        return ""
    body = "".join(_strip(strip) for strip in strips)
    return _section("Right and wrong answers", "Frames in order of time, as the models see them.", body)


def _strip(strip: Strip) -> str:
    frames = np.asarray(strip.frames)
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape:
        raise SpatempoError(
            f"report: strip {strip.title!r} is {frames.dtype} {list(frames.shape)}; give uint8 [T, H, W, 3]"
        )
    pictures = "".join(
        f"<figure><img src='{png_data(frame)}' alt='frame {t}'><figcaption>{t}</figcaption></figure>"
        for t, frame in enumerate(frames, 1)
    )
    answers = "".join(
        f"<li class='{'right' if label == strip.truth else 'wrong'}'>{'✓' if label == strip.truth else '✗'} "
        f"<b>{escape(model)}</b>: {escape(label)}</li>"
        for model, label in strip.answers.items()
    )
    n = len(frames)
    return (
        f"<div class='strip'><h3>{escape(strip.title)}</h3>"
        f"<div class='frames' style='--n: {n}; --half: {n if n <= 5 else -(-n // 2)}'>{pictures}</div>"
        f"<ul class='answers'><li>truth: {escape(strip.truth)}</li>{answers}</ul></div>"
    )


def _table(models: Sequence[ModelResult]) -> str:
    keys = list(dict.fromkeys(k for m in models for k in m.row))
    if not keys:
        return ""
    heads = ["", *(_HEADS.get(k, k) for k in keys)]
    lines = [[m.name, *(shown(k, m.row.get(k)) for k in keys)] for m in models]
    upright = _html_table([heads, *lines])
    body = f"<div class='wide scroll'>{upright}</div>"
    # a phone has room for a few models side by side, not for all the columns
    turned = _html_table([list(column) for column in zip(heads, *lines, strict=True)]) if len(models) <= 3 else upright
    body += f"<div class='narrow scroll'>{turned}</div>"
    caption = "Multiply-accumulates (MACs) and latency are of one view."
    return _section("Cost and accuracy", caption if {"macs", "latency_ms"} & set(keys) else "", body)


def _html_table(rows: Sequence[Sequence[str]]) -> str:
    """First row and first column are heads."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    body = "".join(
        f"<tr><th>{escape(row[0])}</th>" + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:]) + "</tr>"
        for row in rows[1:]
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


_HEADS = {
    "top1": "top-1",
    "top5": "top-5",
    "mean_class": "mean class",
    "macs": "MACs",
    "latency_ms": "latency",
    "seconds": "training",
}


def shown(key: str, value: object) -> str:
    """A value of a result as people read it: shares in per cent, counts in M and G, times in ms, s or min."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if key in ("top1", "top5", "mean_class"):
        return f"{100 * value:.1f} %"
    if key in ("params", "macs"):
        for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
            if abs(value) >= size:
                return f"{value / size:.2f} {unit}"
    if key == "latency_ms":
        return f"{value:.1f} ms"
    if key == "seconds":
        minutes, seconds = divmod(round(value), 60)
        return f"{minutes} min {seconds:02d} s" if minutes else f"{value:.1f} s"
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def _spoken(values: Mapping[str, Mapping[str, float | None]]) -> str:
    """The numbers of a chart in words, for those who hear the page."""
    rows = []
    for model, row in values.items():
        told = ", ".join(f"{group} {100 * value:.0f} %" for group, value in row.items() if value is not None)
        rows.append(f"{model}: {told}")
    return "; ".join(rows)
