"""The page of a comparison, out of plain results.

>>> write_report("report.html", "TSN and TSM", "TSN cannot tell a movement from its reverse; TSM can.",
...              models=[ModelResult("tsn", {"top1": 0.5}, {"direction": 0.5}), ...], headline="direction")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from spatempo.errors import SpatempoError
from spatempo.report.cost_sections import costs_section, gain_section, order_section, table_section
from spatempo.report.figures import WIDE, color
from spatempo.report.film import Strip, strips_section
from spatempo.report.html import Figures, cards, footer, heading, section, write_page
from spatempo.report.model_result import ModelResult
from spatempo.report.plots import accuracy_bars, confusion_matrix, training_curves
from spatempo.report.tables import shares_table

MANY = 6  # more models than that stand in tables where bars would be too many, and not each has its own picture


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
    accuracy: str = "top-1",
    versus: tuple[str, str] | None = None,
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
        accuracy: what the models' `scores` are.
        versus: two models, to be compared class by class.
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
    figures = Figures()
    parts = [
        heading(title, sentence),
        _headline(models, headline, question),
        _families(models, chance, family_notes, figures),
        costs_section(models, accuracy, figures),
        table_section(models),
        order_section(models, figures),
        gain_section(models, versus, bool(groups), figures),
        strips_section("Right and wrong answers", "Frames in order of time, as the models see them.", strips),
        _pairs(models, chance, figures),
        _confusions(models, groups, versus, figures),
        _curves(models, figures),
        footer(notes),
    ]
    return write_page(path, title, parts)


def _headline(models: Sequence[ModelResult], family: str | None, question: str) -> str:
    shown = [
        (m.name, f"{100 * value:.0f}\u00a0%", _verdict(value), color(i))
        for i, m in enumerate(models)
        if len(models) <= MANY and family is not None and (value := m.families.get(family)) is not None
    ]
    return cards(question, shown)


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
    figures: Figures,
) -> str:
    values = {m.name: m.families for m in models if m.families}
    if not values or len(models) > MANY:  # then with the pairs
        return ""
    label = "Accuracy by family. " + _spoken(values)
    draw = lambda width: accuracy_bars(values, chance=chance, notes=notes, width=width)  # noqa: E731
    caption = "Share of right answers. At the dashed line a model answers as a coin would: it does not see the order."
    return section("Accuracy by family", caption, figures.both(draw, label))


def _pairs(models: Sequence[ModelResult], chance: float | Mapping[str, float] | None, figures: Figures) -> str:
    if len(models) > MANY:
        values = {m.name: {**m.families, **m.pairs} for m in models if m.families or m.pairs}
        caption = (
            "Per cent right; of a pair, and of families with pairs, when the answer is one of the pair's two classes."
        )
        return section("Accuracy by family and pair", caption, shares_table(values)) if values else ""
    values = {m.name: m.pairs for m in models if m.pairs}
    if not values:
        return ""
    line = chance if isinstance(chance, int | float) else 0.5  # a pair has two classes
    draw = lambda width: accuracy_bars(values, chance=line, width=width)  # noqa: E731
    caption = "The answer is restricted to the two classes of the pair."
    return section("Accuracy within each pair", caption, figures.both(draw, "Accuracy by pair. " + _spoken(values)))


def _confusions(
    models: Sequence[ModelResult],
    groups: Sequence[Sequence[str]],
    versus: tuple[str, str] | None,
    figures: Figures,
) -> str:
    drawn = []
    for m in models if len(models) <= MANY else [m for m in models if m.name in (versus or ())]:
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
    return section("What is taken for what", caption, f"<div class='matrices'>{''.join(drawn)}</div>")


def _curves(models: Sequence[ModelResult], figures: Figures) -> str:
    curves = {m.name: m.curve for m in models if any(q != "epoch" for q in m.curve)}
    if not curves:
        return ""
    draw = lambda width: training_curves(curves, width=width)  # noqa: E731
    return section("Training", "", figures.both(draw, "Training curves of " + ", ".join(curves)))


def _spoken(values: Mapping[str, Mapping[str, float | None]]) -> str:
    """The numbers of a chart in words, for those who hear the page."""
    rows = []
    for model, row in values.items():
        told = ", ".join(f"{group} {100 * value:.0f} %" for group, value in row.items() if value is not None)
        rows.append(f"{model}: {told}")
    return "; ".join(rows)
