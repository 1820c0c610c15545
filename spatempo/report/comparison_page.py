"""Page of a comparison, made from results (plain numbers).

>>> write_report("report.html", "TSN and TSM", "TSN cannot distinguish a movement from its reverse. TSM can.",
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
from spatempo.report.tables import accuracy_table

MANY = 6  # with more models, tables replace some of the charts, and only two confusion matrices are drawn


def write_report(
    path: str | Path,
    title: str,
    sentence: str,
    *,
    models: Sequence[ModelResult],
    strips: Sequence[Strip] = (),
    chance: float | Mapping[str, float] | None = 0.5,
    headline: str | None = None,
    question: str = "Accuracy in choosing between a movement and its reverse (chance level: 50\u00a0%)",
    family_notes: Mapping[str, str] | None = None,
    groups: Sequence[Sequence[str]] = (),
    accuracy: str = "top-1 accuracy",
    versus: tuple[str, str] | None = None,
    notes: Sequence[str] = (),
) -> Path:
    """Writes the page, atomically.

    Args:
        path: path of the ``.html`` file.
        title: heading.
        sentence: summary of the results in one sentence.
        models: results, in the order of their colours.
        strips: example videos.
        chance: chance level drawn in the accuracy charts, for all groups or by family.
        headline: family whose accuracy is shown in large figures at the top; None: no figures.
        question: text above these figures.
        family_notes: family -> a few words on its classes.
        groups: classes that belong together, framed in the confusion matrices.
        accuracy: name of the accuracy in the `scores` of the models.
        versus: names of two models to compare class by class.
        notes: paragraphs at the end of the page: data, protocol, seed, machine.

    Returns:
        The path.

    Raises:
        SpatempoError: no models, two models with the same name, invalid frames, or the file cannot be written.
    """
    if not models:
        raise SpatempoError("report: no models given; give at least one ModelResult")
    if len({m.name for m in models}) < len(models):
        raise SpatempoError("report: two models have the same name; give each its own name")
    figures = Figures()
    parts = [
        heading(title, sentence),
        _headline(models, headline, question),
        _families(models, chance, family_notes, figures),
        costs_section(models, accuracy, figures),
        table_section(models),
        order_section(models, figures),
        gain_section(models, versus, bool(groups), figures),
        strips_section(
            "Example predictions", "The frames of a clip in temporal order, as the models see them.", strips
        ),
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
        return "at chance level"
    if value < 0.5:
        return "below chance level"
    return "distinguishes the two" if value >= 0.9 else "above chance level"


def _families(
    models: Sequence[ModelResult],
    chance: float | Mapping[str, float] | None,
    notes: Mapping[str, str] | None,
    figures: Figures,
) -> str:
    values = {m.name: m.families for m in models if m.families}
    if not values or len(models) > MANY:  # many models: one table together with the pairs
        return ""
    label = "Accuracy by family of classes. " + _alt_text(values)
    draw = lambda width: accuracy_bars(values, chance=chance, notes=notes, width=width)  # noqa: E731
    caption = (
        "In a family whose classes form pairs, the model chooses between the two classes of a pair. The dashed line is "
        "the chance level, the accuracy of a model that does not see the order of frames."
    )
    return section("Accuracy by family of classes", caption, figures.both(draw, label))


def _pairs(models: Sequence[ModelResult], chance: float | Mapping[str, float] | None, figures: Figures) -> str:
    if len(models) > MANY:
        values = {m.name: {**m.families, **m.pairs} for m in models if m.families or m.pairs}
        caption = (
            "Accuracy in per cent. In pairs of classes, and in families of pairs, the model chooses between the two "
            "classes of a pair, so the chance level is 50\u00a0%."
        )
        return section("Accuracy by family and pair of classes", caption, accuracy_table(values)) if values else ""
    values = {m.name: m.pairs for m in models if m.pairs}
    if not values:
        return ""
    line = chance if isinstance(chance, int | float) else 0.5  # a pair has two classes
    draw = lambda width: accuracy_bars(values, chance=line, width=width)  # noqa: E731
    caption = "The model chooses between the two classes of a pair."
    drawn = figures.both(draw, "Accuracy by pair of classes. " + _alt_text(values))
    return section("Accuracy within each pair of classes", caption, drawn)


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
            raise SpatempoError(
                f"report: the confusion matrix of {m.name} has {len(m.confusion)} rows, but there are "
                f"{len(m.classes)} classes; give one row per class"
            )

        def draw(width: float, m: ModelResult = m) -> Figure:
            return confusion_matrix(m.confusion or [], m.classes, title=m.name, groups=groups, width=width)

        drawn.append(f"<div>{figures.both(draw, f'Confusion matrix of {m.name}', wide=WIDE / 2)}</div>")
    if not drawn:
        return ""
    caption = (
        "Rows are true classes, columns are predicted classes with the same numbers. A cell shows the number of "
        "videos; darker means more frequent."
    )
    if groups:
        caption += " Orange frames mark two classes that form a pair, such as a movement and its reverse."
    return section("Confusion matrices", caption, f"<div class='matrices'>{''.join(drawn)}</div>")


def _curves(models: Sequence[ModelResult], figures: Figures) -> str:
    curves = {m.name: m.curve for m in models if any(q != "epoch" for q in m.curve)}
    if not curves:
        return ""
    draw = lambda width: training_curves(curves, width=width)  # noqa: E731
    return section("Training curves", "", figures.both(draw, "Training curves of " + ", ".join(curves)))


def _alt_text(values: Mapping[str, Mapping[str, float | None]]) -> str:
    """The numbers of a chart as text for screen readers."""
    rows = []
    for model, row in values.items():
        numbers = ", ".join(f"{group} {100 * value:.0f} %" for group, value in row.items() if value is not None)
        rows.append(f"{model}: {numbers}")
    return "; ".join(rows)
