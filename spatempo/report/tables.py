"""Tables of a comparison: accuracy and cost of each model, and accuracy by group for more models than a chart fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from spatempo.report.gain_plots import points
from spatempo.report.html import breakable, table

Row = Mapping[str, object]

ACCURACIES = ("top1", "top5", "mean_class", "within_pair", "shuffled")
_HEADS = {
    "top1": "top-1",
    "top5": "top-5",
    "mean_class": "mean class accuracy",
    "within_pair": "within the pair",
    "drop_when_shuffled": "drop when shuffled",
    "macs": "MACs",
    "latency_ms": "latency",
    "seconds": "training",
    "lr": "learning rate",
    "front": "Pareto front",
}


def results_table(names: Sequence[str], rows: Sequence[Row], spreads: Sequence[Mapping[str, float]]) -> str:
    """One row per model. On a phone, a table of up to three models is transposed, since its columns would not fit.

    Args:
        names: names of the models.
        rows: key -> value, per model.
        spreads: key -> standard deviation of that value over the seeds, per model; empty for one seed.

    Returns:
        HTML; empty if there are no values.
    """
    keys = list(dict.fromkeys(key for row in rows for key in row))
    if not keys:
        return ""
    heads = ["", *(_HEADS.get(key, key) for key in keys)]
    lines = [
        [name, *(shown(key, row.get(key), spread.get(key)) for key in keys)]
        for name, row, spread in zip(names, rows, spreads, strict=True)
    ]
    wide = table([heads, *lines])
    narrow = table([list(column) for column in zip(heads, *lines, strict=True)]) if len(lines) <= 3 else wide
    return f"<div class='wide scroll results'>{wide}</div><div class='narrow scroll results'>{narrow}</div>"


def shown(key: str, value: object, spread: float | None = None) -> str:
    """Formats a value of a result: accuracies in per cent, counts in M and G, times in ms, s or min.

    Args:
        key: key of the result.
        value: value of the result.
        spread: standard deviation of an accuracy.
    """
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if key in ACCURACIES:
        deviation = "" if spread is None else f"\u00a0±\u00a0{100 * spread:.1f}"
        return f"{100 * value:.1f}{deviation} %"
    if key == "drop_when_shuffled":
        return points(value) + ("" if spread is None else f"\u00a0±\u00a0{100 * spread:.1f}")
    if key in ("params", "macs"):
        for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
            if abs(value) >= size / 10 and not (unit == "G" and key == "params"):
                return f"{value / size:.2f} {unit}" if abs(value) >= 1e3 else str(value)
    if key == "latency_ms":
        return f"{value:.1f} ms"
    if key == "seconds":
        minutes, seconds = divmod(round(value), 60)
        return f"{minutes} min {seconds:02d} s" if minutes else f"{value:.1f} s"
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def accuracy_table(values: Mapping[str, Mapping[str, float | None]]) -> str:
    """Accuracy in per cent of each model (row) in each group (column); higher values have a darker background."""
    groups = list(dict.fromkeys(group for row in values.values() for group in row))
    head = "".join(f"<th>{breakable(group)}</th>" for group in groups)
    lines = []
    for model, row in values.items():
        cells = "".join(_cell(row.get(group)) for group in groups)
        lines.append(f"<tr><th>{breakable(model)}</th>{cells}</tr>")
    return (
        f"<div class='scroll'><table class='accuracies'><thead><tr><th></th>{head}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _cell(accuracy: float | None) -> str:
    if accuracy is None:
        return "<td>–</td>"
    dark = " class='dark'" if accuracy > 0.65 else ""
    color = f"rgba(0, 114, 178, {0.85 * accuracy:.2f})"
    return f"<td{dark} style='background: {color}'>{escape(f'{100 * accuracy:.0f}')}</td>"
