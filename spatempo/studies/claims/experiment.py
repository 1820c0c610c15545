"""An experiment: arms that differ in one setting, trained with the same recipe and seeds, and claims to test on them.

The arms are trained on one or more *tasks* (presets of the generated data set, each with its budget). Runs are kept in
``OUT/runs/TASK-EPOCHS``. Experiments that share an arm share its runs, and an interrupted experiment continues.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spatempo.errors import SpatempoError
from spatempo.terminal import print_line

# Packages are imported inside the functions: processes that render and decode are spawned, each of them imports this
# module first, and they do not need torch.


@dataclass(frozen=True)
class Arm:
    """A model with its options and training length.

    Attributes:
        model: model name, such as ``tsm_smallresnet``.
        options: options of the design.
        frames: frames per clip.
        epochs: passes over the training clips; None: as for the task.
        start: name of an arm; the checkpoint of its run with the same seed is the start of this one. None: random
            weights.
    """

    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    frames: int = 8
    epochs: int | None = None
    start: str | None = None


@dataclass(frozen=True)
class Claim:
    """A claim of a paper: one arm is better than another, on one task or on all tasks of the experiment.

    Attributes:
        text: the claim in words.
        better, worse: names of arms.
        source: the paper, with its section or table; empty: our own expectation.
        task: name of a task; None: all.
    """

    text: str
    better: str
    worse: str
    source: str = ""
    task: str | None = None


@dataclass(frozen=True)
class Experiment:
    """Arms, tasks and claims.

    Attributes:
        title: the question of the experiment.
        arms: short name -> arm; the same name means the same arm in all experiments.
        tasks: preset of the generated data set -> passes over its training clips.
        claims: claims about the arms.
    """

    title: str
    arms: Mapping[str, Arm]
    tasks: Mapping[str, int]
    claims: Sequence[Claim] = ()


SETTINGS = {"recipe": "demo", "batch_size": 16, "size": 32, "lr": 4e-3}
"""Used for every training run: AdamW, a cosine schedule with warm-up, random frames as the only augmentation."""


def run_experiment(
    name: str, experiment: Experiment, out: str | Path = "runs/experiments", *, seeds: int = 3, **settings: Any
) -> dict[str, list[dict[str, Any]]]:
    """Renders, trains and tests whatever is not finished yet, and writes one page per task.

    If an arm has STH's attention, ``attention.png`` is written next to the page.

    Args:
        name: name of the experiment; its pages are ``OUT/NAME-TASK/report.html``.
        experiment: arms, tasks and claims.
        out: folder for data, runs and pages.
        seeds: number of runs per arm, with seeds 0, 1, ...
        settings: further arguments of ``train``, such as ``workers``.

    Returns:
        Task -> one row per arm. A row has the keys of :func:`~spatempo.studies.comparing.compare.compare`, and
        ``receptive_field``: the measured number of frames on which the score of one frame depends
        (:mod:`spatempo.evaluation.order.receptive_field`). For STH with attention it also has ``attention``
        (:func:`~spatempo.evaluation.inside.attention.attention_weights` of every seed).

    Raises:
        SpatempoError: invalid data, folders or arms.
    """
    if seeds < 1:
        raise SpatempoError(f"seeds is {seeds}; give at least 1")
    settings = {**SETTINGS, **settings}
    return {task: _run_task(task, name, experiment, Path(out), seeds, settings) for task in experiment.tasks}


def _run_task(
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
    arms = _training_order(experiment.arms)
    found: dict[str, list[dict[str, Any]]] = {}
    for short in arms:
        arm = experiment.arms[short]
        folder = out / "runs" / f"{task}-{arm.epochs or epochs}"
        given = {**settings, "frames": arm.frames, "cache": cache}
        starts = [run["checkpoint"] for run in found[arm.start]] if arm.start else [None] * seeds
        found[short] = [
            _run_seed(folder, short, arm, arm.epochs or epochs, seed, {**given, "weights": starts[seed]}, parts)
            for seed in range(seeds)
        ]
    rows = [row_of(short, arm.model, arm.options, found[short]) for short, arm in experiment.arms.items()]
    measure_latency(rows)
    rows = [row | _measure_network(row, parts.test) for row in rows]
    shutil.rmtree(cache, ignore_errors=True)
    first = {short: found[short][0] for short in experiment.arms}
    budget = f"epochs={epochs}"
    write_page(page, rows, first, parts, budget=budget, title=experiment.title)
    shown = {row["name"]: row["attention"][0] for row in rows if "attention" in row}
    if shown:
        save_png(attention_plot(shown), page.with_name("attention.png"))
    return [{**row, "report": str(page)} for row in rows]


def _training_order(arms: Mapping[str, Arm]) -> list[str]:
    """Names of the arms; those that others start from come first."""
    return sorted(arms, key=lambda short: arms[short].start is not None)


def _run_seed(
    folder: Path, short: str, arm: Arm, epochs: int, seed: int, settings: Mapping[str, Any], parts: Any
) -> dict[str, Any]:
    from spatempo.studies.comparing.budget import Budget
    from spatempo.studies.comparing.run import Run, run_folder

    print_line(f"{short}, seed {seed}, {folder.name}", sys.stderr)
    run = Run(run_folder(folder, short, seed), arm.model, arm.options, seed, Budget(epochs), None, "auto", settings)
    return run.result(parts)


def _measure_network(row: Mapping[str, Any], test: Any) -> dict[str, Any]:
    """Measurements on the trained networks besides their accuracy: ``receptive_field`` and ``attention``."""
    from spatempo.evaluation.inside.attention import attention_weights
    from spatempo.evaluation.order.receptive_field import influence, receptive_field
    from spatempo.models.checkpoint import load
    from spatempo.operators.sth_conv import attention_layers
    from spatempo.studies.diagnosing.time_examples import clips_at

    model = load(row["checkpoint"])
    clips = [clip for _, clip in clips_at(test, model, range(4))]
    measured: dict[str, Any] = {"receptive_field": receptive_field([influence(model, clip) for clip in clips]).frames}
    if attention_layers(model):
        measured["attention"] = [
            attention_weights(load(run["checkpoint"]), test, max_videos=96, batch_size=16).to_json()
            for run in row["runs"]
        ]
    return measured
