"""Charts of differences: frames in order and shuffled; two models class by class."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from spatempo.report.figures import GRID, INK, MUTED, WIDE, color, figure_style, fix_layout, new_figure
from spatempo.report.plots import shorten

MOST_CLASSES = 30  # per chart: half of them with the largest gain, half with the smallest
BETTER, WORSE = color(1), color(0)
WITH_ORDER = "#a6cbe4"  # BETTER, lighter


def gains(first: Mapping[str, float | None], second: Mapping[str, float | None]) -> list[tuple[str, float]]:
    """`first` minus `second`, largest first, for the classes that have a value in both.

    >>> gains({"a": 0.5, "b": 1.0, "c": None}, {"a": 0.75, "b": 0.5, "c": 0.5})
    [('b', 0.5), ('a', -0.25)]
    """
    found = [
        (name, accuracy - other)
        for name, accuracy in first.items()
        if accuracy is not None and (other := second.get(name)) is not None
    ]
    return sorted(found, key=lambda item: -item[1])


def class_gain(
    first: Mapping[str, float | None],
    second: Mapping[str, float | None],
    *,
    names: tuple[str, str],
    max_classes: int = MOST_CLASSES,
    width: float = WIDE,
) -> Figure:
    """Bars of the difference in accuracy of two models per class, sorted.

    Args:
        first, second: class -> accuracy.
        names: names of the two models.
        max_classes: maximum number of classes. If there are more, those in the middle are omitted, and a line says how
            many.
        width: inches; in a narrow chart, the name of a class is above its bar.
    """
    ranked = gains(first, second)
    omitted = max(0, len(ranked) - max_classes)
    kept = [*ranked[: max_classes // 2], *ranked[len(ranked) - max_classes + max_classes // 2 :]] if omitted else ranked
    narrow = width < 6
    step = 1.75 if narrow else 1.0
    y_values = [i * step + (1.0 if omitted and i >= max_classes // 2 else 0.0) for i in range(len(kept))]
    largest = max((abs(gain) for _, gain in kept), default=0.0) or 0.1
    with figure_style():
        figure = new_figure(width, 0.24 * (y_values[-1] + step if y_values else 1) + 0.75)
        axes = figure.subplots()
        for y, (_, gain) in zip(y_values, kept, strict=True):
            axes.barh(y, gain, height=0.8, color=BETTER if gain >= 0 else WORSE)
            side = 1 if gain >= 0 else -1
            axes.text(
                gain + side * 0.015 * largest,
                y,
                points(gain),
                ha="left" if side > 0 else "right",
                va="center",
                fontsize=9,
                color=INK,
            )
        if narrow:
            axes.set_yticks([])
            for y, (name, _) in zip(y_values, kept, strict=True):
                axes.text(-1.22 * largest, y - 0.46, shorten(name, 40), fontsize=9, va="bottom", color=INK)
        else:
            axes.set_yticks(y_values, [shorten(name, 34) for name, _ in kept], fontsize=10)
        if omitted:
            y = (y_values[max_classes // 2 - 1] + y_values[max_classes // 2]) / 2 - (0.3 if narrow else 0)
            axes.text(0, y, f"… {omitted} classes not shown …", ha="center", va="center", fontsize=9, color=MUTED)
        axes.axvline(0, color=MUTED, linewidth=1)
        axes.set_ylim((y_values[-1] if y_values else 0) + 0.7, -1.4 if narrow else -0.7)
        axes.set_xlim(-1.25 * largest if narrow or any(g < 0 for _, g in kept) else -0.02 * largest, 1.2 * largest)
        low, high = axes.get_xlim()
        axes.set_xticks([gain for gain in axes.get_xticks() if max(low, -1.001) <= gain <= min(high, 1.001)])
        axes.xaxis.set_major_formatter(lambda gain, _: points(gain).removesuffix(".0"))
        first_name, second_name = (shorten(name, 30) for name in names)
        label = "{}\nminus {} (points)" if narrow else "{} minus {} (percentage points)"
        axes.set_xlabel(label.format(first_name, second_name), fontsize=9)
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.tick_params(length=0)
        return fix_layout(figure)


def order_bars(values: Mapping[str, tuple[float, float | None]], *, width: float = WIDE) -> Figure:
    """One bar per model: accuracy in order, with a darker part up to the accuracy with shuffled frames.

    Args:
        values: model -> accuracy in order and shuffled (None: clips of one frame, which cannot be shuffled).
        width: inches.
    """
    narrow = width < 6
    with figure_style():
        figure = new_figure(width, 0.28 * len(values) + 0.5)
        axes = figure.subplots()
        for y, (ordered, shuffled) in enumerate(values.values()):
            dark = ordered if shuffled is None else shuffled
            axes.barh(y, ordered, height=0.78, color=WITH_ORDER)
            axes.barh(y, min(dark, ordered) if shuffled is not None else 0, height=0.78, color=BETTER)
            if dark > ordered:  # better when shuffled
                axes.barh(y, dark - ordered, left=ordered, height=0.78, fill=False, edgecolor=BETTER, hatch="////")
            number = "one frame" if shuffled is None else points(ordered - shuffled)
            axes.text(max(ordered, dark) + 0.015, y, number, va="center", fontsize=9 if narrow else 10, color=INK)
        axes.set_yticks(range(len(values)), [shorten(name, 18 if narrow else 30) for name in values])
        axes.tick_params(axis="y", labelsize=9 if narrow else 10)
        axes.set_ylim(len(values) - 0.4, -0.6)
        axes.set_xlim(0, 1.2 if narrow else 1.1)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.tick_params(length=0)
        return fix_layout(figure)


def points(gain: float) -> str:
    """A difference of two accuracies in percentage points, with its sign.

    >>> points(0.371), points(-0.05), points(0.0)
    ('+37.1', '−5.0', '0.0')
    """
    size = f"{abs(100 * gain):.1f}"
    return size if size == "0.0" else ("+" if gain > 0 else "−") + size
