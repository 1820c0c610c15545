"""What came out of an experiment, as Markdown: a table with the spread over seeds, and the papers' claims beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from statistics import mean, stdev
from typing import Any

from spatempo.studies import marked
from spatempo.studies.claims.experiment import Claim, Experiment

Row = Mapping[str, Any]
FLOOR, CEILING = 0.52, 0.99
"""Shares within a pair at which two arms cannot be told apart by how well they do."""


def report(experiment: Experiment, found: Mapping[str, Sequence[Row]]) -> str:
    """All of it.

    Args:
        experiment: what was asked.
        found: what :func:`~spatempo.studies.claims.experiment.run_experiment` gave.
    """
    parts = [table(found), about(found)]
    parts += ["\n".join(f"- {line}" for line in verdicts(experiment.claims, found))]
    parts += [attention_table(found), "\n".join(f"- {line}" for line in attention_sentences(found))]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(found: Mapping[str, Sequence[Row]]) -> str:
    """A line an arm; of each task the mean over seeds and its spread."""
    tasks = list(found)
    first = found[tasks[0]]
    long = len({row["frames"] for row in first}) > 1
    head = ["arm", "network", *(["frames"] if long else [])]
    for task in tasks:
        head += [f"{task}, %", "order is worth"]
    lines = [[*head, "looks at", "params", "MACs", "training"]]
    for i, row in enumerate(first):
        options = "".join(f", {key}={value}" for key, value in row["options"].items())
        cells = [row["name"], f"`{row['model']}`{options}", *([str(row["frames"])] if long else [])]
        for task in tasks:
            cells += [spread(shares(found[task][i])), points(found[task][i]["dependence"])]
        seconds = sum(found[task][i]["seconds"] for task in tasks)
        cells += [f"{row['reach']} of {row['frames']}", f"{row['params'] / 1e6:.2f} M", f"{row['macs'] / 1e9:.2f} G"]
        lines.append([*cells, f"{seconds:.0f} s"])
    return marked.table(lines)


def about(found: Mapping[str, Sequence[Row]]) -> str:
    """What the columns are of."""
    told = []
    for task, rows in found.items():
        first = rows[0]
        epochs = sorted({row["epochs"] for row in rows})
        passes = "es" if epochs != [1] else ""
        told.append(
            f"{task}: {first['n']} test clips, {' or '.join(map(str, epochs))} pass{passes} over the training's"
        )
    seeds = len(next(iter(found.values()))[0]["runs"])
    size = next(iter(found.values()))[0]["size"]
    return f"{'; '.join(told)}. {seeds} seeds: mean ± standard deviation. {size} pixels."


def shares(row: Row) -> list[float]:
    """Of every seed: right within the pair, where the data has pairs, else right."""
    found = []
    for run in row["runs"]:
        family = max(run["families"].values(), key=lambda family: family["n"])
        found.append(family["accuracy"])
    return found


def verdicts(claims: Sequence[Claim], found: Mapping[str, Sequence[Row]]) -> list[str]:
    """One sentence a claim and task: came out, the other way round, or not told apart."""
    told = []
    for claim in claims:
        for task in found if claim.task is None else [claim.task]:
            rows = {row["name"]: row for row in found[task]}
            where = f" on {task}" if len(found) > 1 else ""
            source = f" ({claim.source})" if claim.source else ""
            outcome = verdict(shares(rows[claim.better]), shares(rows[claim.worse]))
            told.append(f"{claim.says}{source}{where}: {outcome}")
    return told


def verdict(better: Sequence[float], worse: Sequence[float]) -> str:
    """Whether every seed of one is above every seed of the other: of three and three that is chance 1 time in 20.

    >>> verdict([0.9, 0.92, 0.95], [0.6, 0.7, 0.89])
    '**came out**: 92.3 ± 2.5 above 73.0 ± 14.7.'
    """
    told = f"{spread(better)} and {spread(worse)}"
    if min(*better, *worse) >= CEILING:
        return f"cannot be told, both are at the ceiling ({told})."
    if max(*better, *worse) <= FLOOR:
        return f"cannot be told, both are at a coin's toss ({told})."
    if min(better) > max(worse):
        return f"**came out**: {spread(better)} above {spread(worse)}."
    if max(better) < min(worse):
        return f"**the other way round**: {spread(better)} below {spread(worse)}."
    return f"not told apart by these seeds ({told})."


def attention_table(found: Mapping[str, Sequence[Row]]) -> str:
    """STH's share of temporal attention by stage, of the arms that have it; empty without any."""
    lines = []
    for task, rows in found.items():
        for row in rows:
            if "attention" in row:
                stages = [
                    [seed["stages"][i]["temporal"] for seed in row["attention"]]
                    for i in range(len(row["attention"][0]["stages"]))
                ]
                whole = [seed["temporal"] for seed in row["attention"]]
                lines.append([row["name"], task, *(spread(stage) for stage in stages), spread(whole)])
                names = [stage["stage"] for stage in row["attention"][0]["stages"]]
    if not lines:
        return ""
    head = ["attention to time, %", "task", *names, "all"]
    return marked.table([head, *lines])


def attention_sentences(found: Mapping[str, Sequence[Row]]) -> list[str]:
    """What STH's paper says of attention (Figures 5 to 8), counted over arms, tasks and seeds."""
    seen = {
        (task, row["name"], row["options"].get("p", "1/4")): row["attention"]
        for task, rows in found.items()
        for row in rows
        if "attention" in row
    }
    deeper = [s["stages"][-1]["temporal"] > s["stages"][0]["temporal"] for seeds in seen.values() for s in seeds]
    fewer = [
        a["temporal"] > b["temporal"]
        for (task, _, p), seeds in seen.items()
        for (other, _, q), others in seen.items()
        if task == other and Fraction(p) < Fraction(q)
        for a, b in zip(seeds, others, strict=True)
    ]
    motion = [
        a["temporal"] > b["temporal"]
        for (task, name, p), seeds in seen.items()
        if task == "direction" and ("control", name, p) in seen
        for a, b in zip(seeds, seen["control", name, p], strict=True)
    ]
    told = (
        ("the last stage gives time more attention than the first", "Fig. 5, 7", deeper),
        ("fewer temporal channels get more attention", "Fig. 6", fewer),
        ("where order counts time gets more attention than where one frame decides", "Fig. 6, 7", motion),
    )
    return [
        f"{says} (Li et al. 2020, {source}): so in {sum(cases)} of {len(cases)} comparisons."
        for says, source, cases in told
        if cases
    ]


def spread(values: Sequence[float]) -> str:
    """``mean ± standard deviation``, in per cent."""
    return f"{100 * mean(values):.1f}" + (f" ± {100 * stdev(values):.1f}" if len(values) > 1 else "")


def points(value: float | None) -> str:
    """A difference of shares."""
    return "" if value is None else f"{100 * value:+.1f}"
