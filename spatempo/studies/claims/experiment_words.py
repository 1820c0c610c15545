"""The outcome of an experiment as Markdown: a table with the spread over seeds, and a verdict on each claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from statistics import mean, stdev
from typing import Any

from spatempo.studies import marked
from spatempo.studies.claims.experiment import Claim, Experiment

Row = Mapping[str, Any]
CHANCE, CEILING = 0.52, 0.99
"""Accuracies within a pair below and above which a comparison of two arms is inconclusive."""


def report(experiment: Experiment, found: Mapping[str, Sequence[Row]]) -> str:
    """Table, conditions, verdicts and attention of an experiment.

    Args:
        experiment: arms and claims.
        found: result of :func:`~spatempo.studies.claims.experiment.run_experiment`.
    """
    parts = [table(found), conditions(found)]
    parts += ["\n".join(f"- {line}" for line in verdicts(experiment.claims, found))]
    parts += [attention_table(found), "\n".join(f"- {line}" for line in attention_sentences(found))]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(found: Mapping[str, Sequence[Row]]) -> str:
    """One row per arm: mean accuracy over the seeds and its standard deviation for each task, and the costs."""
    tasks = list(found)
    first = found[tasks[0]]
    frames_differ = len({row["frames"] for row in first}) > 1
    head = ["arm", "network", *(["frames"] if frames_differ else [])]
    for task in tasks:
        head += [f"accuracy on {task}, %", "drop when shuffled"]
    lines = [[*head, "measured temporal receptive field", "params", "MACs", "training time"]]
    for i, row in enumerate(first):
        options = "".join(f", {key}={value}" for key, value in row["options"].items())
        cells = [row["name"], f"`{row['model']}`{options}", *([str(row["frames"])] if frames_differ else [])]
        for task in tasks:
            cells += [spread(accuracies(found[task][i])), points(found[task][i]["drop_when_shuffled"])]
        seconds = sum(found[task][i]["seconds"] for task in tasks)
        cells += [
            f"{row['receptive_field']} of {row['frames']}",
            f"{row['params'] / 1e6:.2f} M",
            f"{row['macs'] / 1e9:.2f} G",
        ]
        lines.append([*cells, f"{seconds:.0f} s"])
    return marked.table(lines)


def conditions(found: Mapping[str, Sequence[Row]]) -> str:
    """Test clips, training length, seeds and image size."""
    tasks = []
    for task, rows in found.items():
        first = rows[0]
        epochs = sorted({row["epochs"] for row in rows})
        passes = "es" if epochs != [1] else ""
        tasks.append(
            f"{task}: {first['n']} test clips, {' or '.join(map(str, epochs))} pass{passes} over the training clips"
        )
    seeds = len(next(iter(found.values()))[0]["runs"])
    size = next(iter(found.values()))[0]["size"]
    return f"{'; '.join(tasks)}. {seeds} seeds: mean ± standard deviation. {size} pixels."


def accuracies(row: Row) -> list[float]:
    """Accuracy of every seed on the largest family; within the pair, where the data has pairs."""
    found = []
    for run in row["runs"]:
        family = max(run["families"].values(), key=lambda family: family["n"])
        found.append(family["accuracy"])
    return found


def verdicts(claims: Sequence[Claim], found: Mapping[str, Sequence[Row]]) -> list[str]:
    """One sentence per claim and task: confirmed, contradicted or inconclusive."""
    sentences = []
    for claim in claims:
        for task in found if claim.task is None else [claim.task]:
            rows = {row["name"]: row for row in found[task]}
            where = f" on {task}" if len(found) > 1 else ""
            source = f" ({claim.source})" if claim.source else ""
            outcome = verdict(accuracies(rows[claim.better]), accuracies(rows[claim.worse]))
            sentences.append(f"{claim.text}{source}{where}: {outcome}")
    return sentences


def verdict(better: Sequence[float], worse: Sequence[float]) -> str:
    """Confirmed if every seed of `better` is above every seed of `worse`, contradicted if every seed is below.

    With three seeds each, either happens by chance one time in twenty.

    >>> verdict([0.9, 0.92, 0.95], [0.6, 0.7, 0.89])
    '**confirmed**: 92.3 ± 2.5 above 73.0 ± 14.7.'
    """
    both = f"{spread(better)} and {spread(worse)}"
    if min(*better, *worse) >= CEILING:
        return f"**inconclusive**, both at the ceiling ({both})."
    if max(*better, *worse) <= CHANCE:
        return f"**inconclusive**, both at chance level ({both})."
    if min(better) > max(worse):
        return f"**confirmed**: {spread(better)} above {spread(worse)}."
    if max(better) < min(worse):
        return f"**contradicted**: {spread(better)} below {spread(worse)}."
    return f"**inconclusive** ({both})."


def attention_table(found: Mapping[str, Sequence[Row]]) -> str:
    """STH's attention to time by stage, for the arms that have it; empty if none has."""
    lines = []
    for task, rows in found.items():
        for row in rows:
            if "attention" in row:
                stages = [
                    [seed["stages"][i]["temporal"] for seed in row["attention"]]
                    for i in range(len(row["attention"][0]["stages"]))
                ]
                overall = [seed["temporal"] for seed in row["attention"]]
                lines.append([row["name"], task, *(spread(stage) for stage in stages), spread(overall)])
                names = [stage["stage"] for stage in row["attention"][0]["stages"]]
    if not lines:
        return ""
    head = ["attention to time, %", "task", *names, "all"]
    return marked.table([head, *lines])


def attention_sentences(found: Mapping[str, Sequence[Row]]) -> list[str]:
    """How often three observations of STH's paper on attention (Figures 5 to 8) hold, over arms, tasks and seeds."""
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
    observations = (
        ("the last stage gives time more attention than the first", "Fig. 5, 7", deeper),
        ("fewer temporal channels get more attention", "Fig. 6", fewer),
        ("time gets more attention where order matters than where one frame is enough", "Fig. 6, 7", motion),
    )
    return [
        f"{text} (Li et al. 2020, {source}): true in {sum(cases)} of {len(cases)} comparisons."
        for text, source, cases in observations
        if cases
    ]


def spread(values: Sequence[float]) -> str:
    """``mean ± standard deviation`` in per cent."""
    return f"{100 * mean(values):.1f}" + (f" ± {100 * stdev(values):.1f}" if len(values) > 1 else "")


def points(value: float | None) -> str:
    """A difference of accuracies in percentage points; empty for None."""
    return "" if value is None else f"{100 * value:+.1f}"
