"""The tables of a comparison: what each model reaches and costs, and shares by group where bars would be too many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from spatempo.report.gain_plots import points
from spatempo.report.html import breakable, table

Row = Mapping[str, object]

SHARES = ("top1", "top5", "mean_class", "within_pair", "shuffled")
_HEADS = {
    "top1": "top-1",
    "top5": "top-5",
    "mean_class": "mean class",
    "within_pair": "within the pair",
    "dependence": "order is worth",
    "macs": "MACs",
    "latency_ms": "latency",
    "seconds": "training",
    "lr": "learning rate",
    "front": "Pareto front",
}


def results_table(names: Sequence[str], rows: Sequence[Row], spreads: Sequence[Mapping[str, float]]) -> str:
    """One line a model; on a phone a few models stand side by side, which has room where all the columns have not.

    Args:
        names: of the models.
        rows: key -> value, of each.
        spreads: key -> standard deviation of that value over the seeds, of each; empty: of one seed.

    Returns:
        HTML; empty without any value.
    """
    keys = list(dict.fromkeys(key for row in rows for key in row))
    if not keys:
        return ""
    heads = ["", *(_HEADS.get(key, key) for key in keys)]
    lines = [
        [name, *(shown(key, row.get(key), spread.get(key)) for key in keys)]
        for name, row, spread in zip(names, rows, spreads, strict=True)
    ]
    upright = table([heads, *lines])
    turned = table([list(column) for column in zip(heads, *lines, strict=True)]) if len(lines) <= 3 else upright
    return f"<div class='wide scroll results'>{upright}</div><div class='narrow scroll results'>{turned}</div>"


def shown(key: str, value: object, spread: float | None = None) -> str:
    """A value of a result as people read it: shares in per cent, counts in M and G, times in ms, s or min.

    Args:
        key: of a result.
        value: its.
        spread: standard deviation of a share.
    """
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if key in SHARES:
        about = "" if spread is None else f"\u00a0±\u00a0{100 * spread:.1f}"
        return f"{100 * value:.1f}{about} %"
    if key == "dependence":
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


def shares_table(values: Mapping[str, Mapping[str, float | None]]) -> str:
    """Per cent of each model (line) in each group (column), on a ground that is the darker the more it is."""
    groups = list(dict.fromkeys(group for row in values.values() for group in row))
    head = "".join(f"<th>{breakable(group)}</th>" for group in groups)
    lines = []
    for model, row in values.items():
        cells = "".join(_cell(row.get(group)) for group in groups)
        lines.append(f"<tr><th>{breakable(model)}</th>{cells}</tr>")
    return (
        f"<div class='scroll'><table class='shares'><thead><tr><th></th>{head}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _cell(share: float | None) -> str:
    if share is None:
        return "<td>–</td>"
    dark = " class='dark'" if share > 0.65 else ""
    return f"<td{dark} style='background: rgba(0, 114, 178, {0.85 * share:.2f})'>{escape(f'{100 * share:.0f}')}</td>"
