"""An experiment: arms that differ in one thing, trained alike with several seeds, and what the papers say of them.

The arms are trained on one or more *tasks* (presets of the generated data set, each with its budget). Runs lie in
``OUT/runs/TASK`` and are done once: experiments that share an arm share its runs, and one that was interrupted goes on.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spatempo.errors import SpatempoError
from spatempo.terminal import say

# Rooms are imported inside the functions: processes that render and decode are spawned, and each imports this module
# first, for which it should not have to load torch.


@dataclass(frozen=True)
class Arm:
    """One thing that is tried.

    Attributes:
        model: name of the design.
        options: of the design.
        frames: of its clips.
        epochs: passes over the data; None: the task's.
        start: another arm, whose checkpoint of the same seed it starts from; None: random weights.
    """

    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    frames: int = 8
    epochs: int | None = None
    start: str | None = None


@dataclass(frozen=True)
class Claim:
    """What a paper says: one arm is better than others, on one task or on all of the experiment.

    Attributes:
        says: in words.
        better, worse: arms.
        source: the paper, its section or table; empty: an expectation of ours.
        task: None: each.
    """

    says: str
    better: str
    worse: str
    source: str = ""
    task: str | None = None


@dataclass(frozen=True)
class Experiment:
    """What is tried, on what, and what is expected.

    Attributes:
        title: the question.
        arms: short name -> arm; the same name means the same arm in all experiments.
        tasks: preset of the generated data set -> passes over its training clips.
        claims: what papers say of the arms.
    """

    title: str
    arms: Mapping[str, Arm]
    tasks: Mapping[str, int]
    claims: Sequence[Claim] = ()


SETTINGS = {"recipe": "demo", "batch_size": 16, "size": 32, "lr": 4e-3}
"""Of every training: AdamW, a cosine after a warm-up, no augmentation but the choice of frames."""


def run_experiment(
    name: str, experiment: Experiment, out: str | Path = "runs/experiments", *, seeds: int = 3, **settings: Any
) -> dict[str, list[dict[str, Any]]]:
    """Renders, trains and tests what is not there yet, and writes a page a task; of attention a picture beside it.

    Args:
        name: of the experiment, for its pages: ``OUT/NAME-TASK/report.html``.
        experiment: what to do.
        out: folder for data, runs and pages.
        seeds: runs of each arm, with seeds 0, 1, ...
        settings: further arguments of ``train``, such as ``workers``.

    Returns:
        Task -> a row an arm: those of :func:`~spatempo.studies.comparing.compare.compare`, and ``reach`` (frames that
        one frame's score depends on, measured; :mod:`spatempo.evaluation.order.receptive_field`), for STH with
        attention ``attention`` (:func:`~spatempo.evaluation.inside.attention.attention_shares` of every seed).

    Raises:
        SpatempoError: data, folders or arms that cannot be used.
    """
    if seeds < 1:
        raise SpatempoError(f"seeds is {seeds}; give at least 1")
    return {task: _on(task, name, experiment, Path(out), seeds, {**SETTINGS, **settings}) for task in experiment.tasks}


def _on(
    task: str, name: str, experiment: Experiment, out: Path, seeds: int, settings: Mapping[str, Any]
) -> list[dict[str, Any]]:
    from spatempo.data.generated.make import make_data
    from spatempo.report.attention_gates import attention_plot
    from spatempo.report.figures import save_png
    from spatempo.studies.comparing.page_content import write_page
    from spatempo.studies.comparing.parts import find_parts
    from spatempo.studies.comparing.rows import measure_latency, row_of

    data = out / "data" / task
    make_data(data, preset=task, progress=True)
    parts = find_parts(data)
    epochs = experiment.tasks[task]
    page, cache = out / f"{name}-{task}" / "report.html", out / f"{name}-{task}" / "cache"
    arms = _in_order(experiment.arms)
    found: dict[str, list[dict[str, Any]]] = {}
    for short in arms:
        arm = experiment.arms[short]
        place = out / "runs" / f"{task}-{arm.epochs or epochs}"
        given = {**settings, "frames": arm.frames, "cache": cache}
        starts = [run["checkpoint"] for run in found[arm.start]] if arm.start else [None] * seeds
        found[short] = [
            _run(place, short, arm, arm.epochs or epochs, seed, {**given, "weights": starts[seed]}, parts)
            for seed in range(seeds)
        ]
    rows = [row_of(short, arm.model, arm.options, found[short]) for short, arm in experiment.arms.items()]
    measure_latency(rows)
    rows = [row | _inside(row, parts.test) for row in rows]
    shutil.rmtree(cache, ignore_errors=True)
    first = {short: found[short][0] for short in experiment.arms}
    budget = f"epochs={epochs}"
    write_page(page, rows, first, parts, budget=budget, title=experiment.title)
    shown = {row["name"]: row["attention"][0] for row in rows if "attention" in row}
    if shown:
        save_png(attention_plot(shown), page.with_name("attention.png"))
    return [{**row, "report": str(page)} for row in rows]


def _in_order(arms: Mapping[str, Arm]) -> list[str]:
    """Those that others start from first."""
    return sorted(arms, key=lambda short: arms[short].start is not None)


def _run(
    place: Path, short: str, arm: Arm, epochs: int, seed: int, settings: Mapping[str, Any], parts: Any
) -> dict[str, Any]:
    from spatempo.studies.comparing.budget import Budget
    from spatempo.studies.comparing.run import Run, run_folder

    say(f"{short}, seed {seed}, {place.name}", sys.stderr)
    run = Run(run_folder(place, short, seed), arm.model, arm.options, seed, Budget(epochs), None, "auto", settings)
    return run.result(parts)


def _inside(row: Mapping[str, Any], test: Any) -> dict[str, Any]:
    """What is measured on the trained networks beside their accuracy."""
    from spatempo.evaluation.inside.attention import attention_shares
    from spatempo.evaluation.order.receptive_field import influence, receptive_field
    from spatempo.models.checkpoint import load
    from spatempo.operators.sth_conv import attention_layers
    from spatempo.studies.diagnosing.time_examples import clips_at

    model = load(row["checkpoint"])
    clips = [clip for _, clip in clips_at(test, model, range(4))]
    measured: dict[str, Any] = {"reach": receptive_field([influence(model, clip) for clip in clips]).frames}
    if attention_layers(model):
        measured["attention"] = [
            attention_shares(load(run["checkpoint"]), test, most=96, batch_size=16).to_json() for run in row["runs"]
        ]
    return measured
