"""Content of the page of a comparison: results, a summary computed from them, and example videos."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import stdev
from typing import Any

import torch

from spatempo.report.comparison_page import MANY, ModelResult, write_report
from spatempo.studies.comparing.parts import Parts
from spatempo.studies.comparing.strips import choose_strips
from spatempo.version import __version__

MOST_CURVES = 8  # more curves in one panel cannot be distinguished
# difference between the classes of each family of the generated data
FAMILY_NOTES = {
    "control": "one frame is enough",
    "direction": "a movement or its reverse",
    "order": "A then B, or B then A",
}


def write_page(
    path: Path,
    rows: Sequence[Mapping[str, Any]],
    runs: Mapping[str, Mapping[str, Any]],
    parts: Parts,
    *,
    budget: str,
    title: str = "",
) -> Path:
    """Writes ``report.html``.

    Args:
        path: path of the page.
        rows: rows of `compare`.
        runs: name -> result of the first seed (`Run.result`), for training curves and example predictions.
        parts: the data.
        budget: training budget, for the notes.
        title: heading; empty: made of the names of the designs.

    Returns:
        `path`.
    """
    classes = parts.test.classes
    family = headline(rows)
    models = [
        ModelResult(
            name=row["name"],
            row=_table_row(row, family) | ({"lr": row["lr"]} if len({row["lr"] for row in rows}) > 1 else {}),
            spread=spread(row, family),
            scores=[_accuracy(run, family) for run in row["runs"]],
            families={family: found["accuracy"] for family, found in row.get("families", {}).items()},
            pairs={pair: found["within_pair"] for pair, found in row.get("pairs", {}).items()},
            per_class=row["per_class"],
            confusion=row["confusion"],
            classes=classes,
            curve=_curve(runs[row["name"]]["history"]) if len(rows) <= MOST_CURVES else {},
        )
        for row in rows
    ]
    pairs = rows[0].get("pairs", {})
    families = rows[0].get("families", {})
    return write_report(
        path,
        title
        or "Comparison of " + (", ".join(row["name"] for row in rows) if len(rows) <= MANY else f"{len(rows)} designs"),
        sentence(rows),
        models=models,
        strips=choose_strips(parts.test, runs, frames=rows[0]["frames"]),
        chance={family: 0.5 for family, found in families.items() if found["within_pair"] is not None},
        headline=family,
        family_notes={family: FAMILY_NOTES[family] for family in families if family in FAMILY_NOTES},
        groups=[found["classes"] for found in pairs.values()],
        accuracy="top-1 accuracy" if family is None else f"accuracy on {family} pairs",
        versus=versus(rows, family),
        notes=_notes(rows, parts, budget),
    )


def _accuracy(found: Mapping[str, Any], family: str | None) -> float:
    """Accuracy used to rank rows and runs: within the pairs of the headline family, else top-1."""
    return found["top1"] if family is None else found["families"][family]["within_pair"]


def _table_row(row: Mapping[str, Any], family: str | None) -> dict[str, Any]:
    """Row of a design in the table."""
    within = {} if family is None else {"within_pair": _accuracy(row, family)}
    keys = ("shuffled", "drop_when_shuffled", "params", "macs", "latency_ms", "seconds")
    return {"top1": row["top1"], **within, **{key: row[key] for key in keys}}


def spread(row: Mapping[str, Any], family: str | None) -> dict[str, float]:
    """Standard deviations over the seeds of the accuracies in the table."""
    runs = row["runs"]
    if len(runs) < 2:
        return {}
    values = {"top1": [run["top1"] for run in runs]}
    if family is not None:
        values["within_pair"] = [_accuracy(run, family) for run in runs]
    if row["shuffled"] is not None:
        values["shuffled"] = [run["shuffled"] for run in runs]
        values["drop_when_shuffled"] = [run["top1"] - run["shuffled"] for run in runs]
    return {key: stdev(found) for key, found in values.items()}


def versus(rows: Sequence[Mapping[str, Any]], family: str | None) -> tuple[str, str] | None:
    """The best design that sees order, and the design to compare it with: the best order-blind one, else the worst."""
    ranked = sorted(rows, key=lambda row: _accuracy(row, family), reverse=True)
    seeing = [row for row in ranked if row["drop_when_shuffled"]]  # neither None nor 0
    blind = [row for row in ranked if row["drop_when_shuffled"] == 0]
    if not seeing or len(rows) < 2:
        return None
    other = blind[0] if blind else ranked[-1] if ranked[-1] is not seeing[0] else ranked[0]
    return seeing[0]["name"], other["name"]


def headline(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The largest family with pairs, which shows best whether a design sees order; None if there is none."""
    families = rows[0].get("families", {})
    paired = [family for family, found in families.items() if found["within_pair"] is not None]
    return max(paired, key=lambda family: families[family]["n"], default=None)


def sentence(rows: Sequence[Mapping[str, Any]]) -> str:
    """A summary of the results in one sentence."""
    family = headline(rows)
    if family is None:
        ranked = sorted(rows, key=lambda row: row["top1"], reverse=True)
        listed = ", ".join(f"{row['name']} {100 * row['top1']:.1f} %" for row in ranked)
        return f"Accuracy on {rows[0]['n']} test videos: {listed}."
    by_verdict: dict[str, list[tuple[str, int]]] = {}  # verdict -> designs with their accuracies in per cent
    for row in rows:
        accuracy = row["families"][family]["within_pair"]
        by_verdict.setdefault(_verdict(accuracy), []).append((row["name"], round(100 * accuracy)))
    listed = "; ".join(_list_designs(designs) + verdict for verdict, designs in by_verdict.items())
    n = rows[0]["families"][family]["n"]
    return f"Accuracy in choosing between a movement and the same frames in reverse, on {n} videos: {listed}."


def _list_designs(designs: Sequence[tuple[str, int]]) -> str:
    """Names with accuracies in per cent; for many designs, the names and the range of accuracies."""
    if len(designs) <= MANY:
        return ", ".join(f"{name} {accuracy} %" for name, accuracy in designs)
    low, high = min(accuracy for _, accuracy in designs), max(accuracy for _, accuracy in designs)
    return f"{', '.join(name for name, _ in designs)} {low if low == high else f'{low} to {high}'} %"


def _verdict(accuracy: float) -> str:
    """The accuracy in words, if it is clear."""
    if abs(accuracy - 0.5) <= 0.1:
        return " (at chance level)"
    return " (sees the order of frames)" if accuracy >= 0.9 else ""


def _curve(history: Sequence[Mapping[str, Any]]) -> dict[str, list[float | None]]:
    """Loss and accuracy by epoch, without quantities that were never measured."""
    names = {"epoch": "epoch", "train_loss": "training loss", "train_top1": "training top-1"}
    names |= {"val_loss": "validation loss", "val_top1": "validation top-1"}
    curve = {shown: [epoch.get(key) for epoch in history] for key, shown in names.items()}
    return {shown: values for shown, values in curve.items() if any(value is not None for value in values)}


def _epochs(rows: Sequence[Mapping[str, Any]]) -> str:
    fewest, most = min(row["epochs"] for row in rows), max(row["epochs"] for row in rows)
    return str(most) if fewest == most else f"{fewest} to {most}"


def _notes(rows: Sequence[Mapping[str, Any]], parts: Parts, budget: str) -> list[str]:
    first = rows[0]
    seeds = len(first["runs"])
    counts = f"{len(parts.train)} training clips, {first['n']} test clips, {len(parts.test.classes)} classes."
    return [
        f"{counts} {parts.note} Training budget per design: {budget} ({_epochs(rows)} epochs). "
        f"{first['frames']} frames of {first['size']} pixels per clip.",
        *([f"Accuracies are means over {seeds} seeds, counts are sums."] if seeds > 1 else []),
        f"Latency: median time per clip after warm-up, measured for one design after the other, with "
        f"{torch.get_num_threads()} thread(s) on {os.cpu_count()} cores ({platform.machine()}).",
        f"spatempo {__version__}, torch {torch.__version__}, Python {platform.python_version()}.",
    ]
