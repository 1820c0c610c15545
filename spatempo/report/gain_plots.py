"""What one thing is worth against another: order for a model, one model against another class by class."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from spatempo.report.figures import GRID, INK, MUTED, WIDE, color, look, new_figure, settle
from spatempo.report.plots import short

MOST_CLASSES = 30  # of a chart: half of them where the gain is largest, half where it is smallest
BETTER, WORSE = color(1), color(0)
WITH_ORDER = "#a6cbe4"  # BETTER, lighter


def gains(first: Mapping[str, float | None], second: Mapping[str, float | None]) -> list[tuple[str, float]]:
    """What `first` has more than `second`, largest first; classes that either lacks are left out.

    >>> gains({"a": 0.5, "b": 1.0, "c": None}, {"a": 0.75, "b": 0.5, "c": 0.5})
    [('b', 0.5), ('a', -0.25)]
    """
    found = [
        (name, share - other)
        for name, share in first.items()
        if share is not None and (other := second.get(name)) is not None
    ]
    return sorted(found, key=lambda item: -item[1])


def class_gain(
    first: Mapping[str, float | None],
    second: Mapping[str, float | None],
    *,
    names: tuple[str, str],
    most: int = MOST_CLASSES,
    width: float = WIDE,
) -> Figure:
    """Bars of what one model gains over another in each class, sorted: to the right where it gains, else to the left.

    Args:
        first, second: class -> share right.
        names: of the two.
        most: classes; of more, those in the middle are left out, and a line says how many.
        width: inches; on a narrow one the class stands above its bar.
    """
    ranked = gains(first, second)
    left_out = max(0, len(ranked) - most)
    kept = [*ranked[: most // 2], *ranked[len(ranked) - most + most // 2 :]] if left_out else ranked
    narrow = width < 6
    step = 1.75 if narrow else 1.0
    places = [i * step + (1.0 if left_out and i >= most // 2 else 0.0) for i in range(len(kept))]
    reach = max((abs(gain) for _, gain in kept), default=0.0) or 0.1
    with look():
        figure = new_figure(width, 0.24 * (places[-1] + step if places else 1) + 0.75)
        axes = figure.subplots()
        for y, (_, gain) in zip(places, kept, strict=True):
            axes.barh(y, gain, height=0.8, color=BETTER if gain >= 0 else WORSE)
            side = 1 if gain >= 0 else -1
            axes.text(
                gain + side * 0.015 * reach,
                y,
                points(gain),
                ha="left" if side > 0 else "right",
                va="center",
                fontsize=9,
                color=INK,
            )
        if narrow:
            axes.set_yticks([])
            for y, (name, _) in zip(places, kept, strict=True):
                axes.text(-1.22 * reach, y - 0.46, short(name, 40), fontsize=9, va="bottom", color=INK)
        else:
            axes.set_yticks(places, [short(name, 34) for name, _ in kept], fontsize=10)
        if left_out:
            y = (places[most // 2 - 1] + places[most // 2]) / 2 - (0.3 if narrow else 0)
            axes.text(0, y, f"… {left_out} classes between …", ha="center", va="center", fontsize=9, color=MUTED)
        axes.axvline(0, color=MUTED, linewidth=1)
        axes.set_ylim((places[-1] if places else 0) + 0.7, -1.4 if narrow else -0.7)
        axes.set_xlim(-1.25 * reach if narrow or any(g < 0 for _, g in kept) else -0.02 * reach, 1.2 * reach)
        low, high = axes.get_xlim()
        axes.set_xticks([gain for gain in axes.get_xticks() if max(low, -1.001) <= gain <= min(high, 1.001)])
        axes.xaxis.set_major_formatter(lambda gain, _: points(gain).removesuffix(".0"))
        between = "\n" if narrow else " "
        axes.set_xlabel(f"points that {short(names[0], 30)} gains{between}over {short(names[1], 30)}", fontsize=9)
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.tick_params(length=0)
        return settle(figure)


def order_bars(values: Mapping[str, tuple[float, float | None]], *, width: float = WIDE) -> Figure:
    """A bar a model: as far as it gets with its frames shuffled in full colour, what order adds in a lighter one.

    Args:
        values: model -> share right in order, and shuffled (None: it cannot be shuffled, and the bar is a light one).
        width: inches.
    """
    narrow = width < 6
    with look():
        figure = new_figure(width, 0.28 * len(values) + 0.5)
        axes = figure.subplots()
        for y, (ordered, shuffled) in enumerate(values.values()):
            known = ordered if shuffled is None else shuffled
            axes.barh(y, ordered, height=0.78, color=WITH_ORDER)
            axes.barh(y, min(known, ordered) if shuffled is not None else 0, height=0.78, color=BETTER)
            if known > ordered:  # better shuffled
                axes.barh(y, known - ordered, left=ordered, height=0.78, fill=False, edgecolor=BETTER, hatch="////")
            told = "one frame" if shuffled is None else points(ordered - shuffled)
            axes.text(max(ordered, known) + 0.015, y, told, va="center", fontsize=9 if narrow else 10, color=INK)
        axes.set_yticks(range(len(values)), [short(name, 18 if narrow else 30) for name in values])
        axes.tick_params(axis="y", labelsize=9 if narrow else 10)
        axes.set_ylim(len(values) - 0.4, -0.6)
        axes.set_xlim(0, 1.2 if narrow else 1.1)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.tick_params(length=0)
        return settle(figure)


def points(gain: float) -> str:
    """A difference of two shares in points, with its sign.

    >>> points(0.371), points(-0.05), points(0.0)
    ('+37.1', '−5.0', '0.0')
    """
    told = f"{abs(100 * gain):.1f}"
    return told if told == "0.0" else ("+" if gain > 0 else "−") + told
