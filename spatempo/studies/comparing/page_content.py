"""The page of a comparison: results, a sentence computed from them, and videos to look at."""

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

MOST_CURVES = 8  # more of them in one panel cannot be told apart
# what each family of the generated data asks
FAMILY_NOTES = {
    "control": "one frame decides",
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
        path: of the page.
        rows: of `compare`.
        runs: name -> the first seed's result (`Run.result`), for curves and single answers.
        parts: the data.
        budget: as given.
        title: heading; empty: the names of the designs.

    Returns:
        `path`.
    """
    classes = parts.test.classes
    family = headline(rows)
    models = [
        ModelResult(
            name=row["name"],
            row=_line(row, family) | ({"lr": row["lr"]} if len({row["lr"] for row in rows}) > 1 else {}),
            spread=spread(row, family),
            scores=[_share(run, family) for run in row["runs"]],
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
        or ("Compared: " + ", ".join(row["name"] for row in rows) if len(rows) <= MANY else f"{len(rows)} designs"),
        sentence(rows),
        models=models,
        strips=choose_strips(parts.test, runs, frames=rows[0]["frames"]),
        chance={family: 0.5 for family, found in families.items() if found["within_pair"] is not None},
        headline=family,
        family_notes={family: FAMILY_NOTES[family] for family in families if family in FAMILY_NOTES},
        groups=[found["classes"] for found in pairs.values()],
        accuracy="top-1" if family is None else f"{family}, within the pair",
        versus=versus(rows, family),
        notes=_notes(rows, parts, budget),
    )


def _share(found: Mapping[str, Any], family: str | None) -> float:
    """What a row or a run is judged by: the share within the pair of the headline family, else top-1."""
    return found["top1"] if family is None else found["families"][family]["within_pair"]


def _line(row: Mapping[str, Any], family: str | None) -> dict[str, Any]:
    """A design's line of the table."""
    within = {} if family is None else {"within_pair": _share(row, family)}
    keys = ("shuffled", "dependence", "params", "macs", "latency_ms", "seconds")
    return {"top1": row["top1"], **within, **{key: row[key] for key in keys}}


def spread(row: Mapping[str, Any], family: str | None) -> dict[str, float]:
    """Standard deviations over the seeds, of what the table shows."""
    runs = row["runs"]
    if len(runs) < 2:
        return {}
    values = {"top1": [run["top1"] for run in runs]}
    if family is not None:
        values["within_pair"] = [_share(run, family) for run in runs]
    if row["shuffled"] is not None:
        values["shuffled"] = [run["shuffled"] for run in runs]
        values["dependence"] = [run["top1"] - run["shuffled"] for run in runs]
    return {key: stdev(found) for key, found in values.items()}


def versus(rows: Sequence[Mapping[str, Any]], family: str | None) -> tuple[str, str] | None:
    """The best design that sees order, and what to hold it against: the best order-blind one, else the worst."""
    ranked = sorted(rows, key=lambda row: _share(row, family), reverse=True)
    seeing = [row for row in ranked if row["dependence"]]  # neither None nor nothing at all
    blind = [row for row in ranked if row["dependence"] == 0]
    if not seeing or len(rows) < 2:
        return None
    other = blind[0] if blind else ranked[-1] if ranked[-1] is not seeing[0] else ranked[0]
    return seeing[0]["name"], other["name"]


def headline(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The family with pairs that has most videos: where seeing order, or not, shows; None without one."""
    families = rows[0].get("families", {})
    paired = [family for family, found in families.items() if found["within_pair"] is not None]
    return max(paired, key=lambda family: families[family]["n"], default=None)


def sentence(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the numbers say, in one sentence, from the numbers."""
    family = headline(rows)
    if family is None:
        ranked = sorted(rows, key=lambda row: row["top1"], reverse=True)
        told = ", ".join(f"{row['name']} {100 * row['top1']:.1f} %" for row in ranked)
        return f"Right answers on {rows[0]['n']} test videos: {told}."
    alike: dict[str, list[tuple[str, int]]] = {}  # verdict -> the designs it is on
    for row in rows:
        share = row["families"][family]["within_pair"]
        alike.setdefault(_verdict(share), []).append((row["name"], round(100 * share)))
    told = "; ".join(_told(designs) + verdict for verdict, designs in alike.items())
    n = rows[0]["families"][family]["n"]
    return f"Was it the movement, or the same frames backwards? Right answers on {n} videos: {told}."


def _told(designs: Sequence[tuple[str, int]]) -> str:
    """Names with per cents; of many, the names and then from where to where."""
    if len(designs) <= MANY:
        return ", ".join(f"{name} {share} %" for name, share in designs)
    low, high = min(share for _, share in designs), max(share for _, share in designs)
    return f"{', '.join(name for name, _ in designs)} {low if low == high else f'{low} to {high}'} %"


def _verdict(share: float) -> str:
    """In words, where the number leaves no doubt."""
    if abs(share - 0.5) <= 0.1:
        return " (no better than a coin)"
    return " (the order of the frames is seen)" if share >= 0.9 else ""


def _curve(history: Sequence[Mapping[str, Any]]) -> dict[str, list[float | None]]:
    """Loss and accuracy by epoch; quantities that were never measured are left out."""
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
    counts = f"{len(parts.train)} clips to train, {first['n']} to test, {len(parts.test.classes)} classes."
    return [
        f"{counts} {parts.note} Budget of each design: {budget} ({_epochs(rows)} epochs), "
        f"{first['frames']} frames of {first['size']} pixels.",
        *([f"Accuracies are means over {seeds} seeds, counts are their sums."] if seeds > 1 else []),
        f"Latency: median time of one clip after warm-up, measured for all designs in one go, with "
        f"{torch.get_num_threads()} thread(s) on {os.cpu_count()} cores ({platform.machine()}).",
        f"spatempo {__version__}, torch {torch.__version__}, Python {platform.python_version()}.",
    ]
