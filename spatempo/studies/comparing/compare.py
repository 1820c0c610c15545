"""Train and test several designs under the same conditions; write one table and one page.

All designs use the same clips, recipe, budget, seeds and test views. Each run (a design with a seed) has a folder with
its checkpoints, and a JSON file next to it with its settings and result. A comparison that is started again reuses
finished runs and continues an interrupted one. Latency is measured again for all designs, one directly after the
other, so that the machine is in the same state for each.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from spatempo.errors import SpatempoError
from spatempo.evaluation.scoring.protocols import protocol as protocol_named
from spatempo.files import check_folder
from spatempo.limits import check_number
from spatempo.models.registry import create_model, parse_name
from spatempo.studies.comparing.budget import Budget, parse_budget
from spatempo.studies.comparing.compared import ComparedModel
from spatempo.studies.comparing.page_content import write_page
from spatempo.studies.comparing.parts import find_parts
from spatempo.studies.comparing.rows import measure_latency, row_of
from spatempo.studies.comparing.run import Run, run_folder
from spatempo.studies.comparing.tuning import check_tuning, tune_lr


def compare(
    data: str | Path,
    models: Sequence[str] | Mapping[str, str | tuple[str, Mapping[str, Any]]],
    *,
    budget: str | int | Budget = "epochs=20",
    seeds: int = 1,
    tune: int = 0,
    out: str | Path = "runs/compare",
    runs: str | Path | None = None,
    val: str | None = None,
    test: str | None = None,
    protocol: str | None = None,
    recipe: str | None = None,
    options: Mapping[str, Any] | None = None,
    device: str = "auto",
    title: str = "",
    **settings: Any,
) -> list[ComparedModel]:
    """Trains and tests several designs under the same conditions.

    Args:
        data: training data; with `val` and `test`, see :func:`~spatempo.studies.comparing.parts.find_parts`.
        models: model names; or short name -> model name; or short name -> (model name, options of this design). The
            short name is used in the table and for the folders.
        budget: training budget per design and seed: ``"epochs=N"``, ``"minutes=M"``, ``"macs=2T"``
            (multiply-accumulates of the forward passes in training; G, T, P) or a number of epochs.
        seeds: number of runs per design, with seeds 0, 1, ...; the reported accuracy is their mean.
        tune: number of short trials used to choose the learning rate of each design on the validation clips, see
            :mod:`~spatempo.studies.comparing.tuning`; 0: the rate of the recipe for all.
        out: folder for ``report.html`` and the runs.
        runs: separate folder for the runs. Several comparisons can share it: a run with the same short name and
            settings is trained only once.
        val, test: see `find_parts`.
        protocol: test protocol; None: one centre view.
        recipe: name of the training recipe; None: the default of the training for this data.
        options: options applied to every design that has them; the options of a single design take precedence.
        device: ``auto``, ``cpu``, ``cuda``, ...
        title: title of the page.
        settings: further arguments of :func:`~spatempo.learning.train.train`: ``weights``, ``mean``, ``std``,
            ``workers``, ``cache`` (True: one for all designs, removed at the end), ``max_unreadable``, and fields of
            the recipe.

    Returns:
        One result per design, in the order of `models`.

    Raises:
        SpatempoError: invalid data, an unknown design or option, a design listed twice, or a folder that contains
            another comparison.
    """
    named = _named(models)
    check_number("seeds", seeds)
    check_number("tune", tune)
    check_folder(out)
    plan = parse_budget(budget)
    if protocol is not None:
        protocol_named(protocol)  # unknown names fail before training starts
    chosen = _options(named, options or {})
    parts = find_parts(data, val=val, test=test)
    if recipe is not None:
        settings["recipe"] = recipe
    frames = Path(out) / "cache"  # frames are decoded once for all designs
    if settings.get("cache") is True:
        settings["cache"] = frames
    if tune:
        check_tuning(parts)  # fails before training starts
    found = {}
    for short, (name, _) in named.items():
        folder = runs or out
        run = Run(run_folder(folder, short, 0), name, chosen[short], 0, plan, protocol, device, settings)
        if tune:
            run = replace(run, settings={**settings, "lr": tune_lr(run, parts, tune)})
        runs_of_design = [replace(run, folder=run_folder(folder, short, seed), seed=seed) for seed in range(seeds)]
        found[short] = [one.result(parts) for one in runs_of_design]
    rows = [row_of(short, named[short][0], chosen[short], results) for short, results in found.items()]
    measure_latency(rows, device)
    if settings.get("cache") == frames:
        shutil.rmtree(frames, ignore_errors=True)
    first = {short: results[0] for short, results in found.items()}
    page = write_page(Path(out) / "report.html", rows, first, parts, budget=str(plan), title=title)
    return [ComparedModel(**row, report=str(page)) for row in rows]


def _named(
    models: Sequence[str] | Mapping[str, str | tuple[str, Mapping[str, Any]]],
) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Short name -> (model name, options of this design)."""
    given = models if isinstance(models, Mapping) else {name: name for name in models}
    if not given:
        raise SpatempoError("compare: no design given; give at least one, such as tsm_resnet18")
    if len({run_folder("", short, 0) for short in given}) < len(models):
        raise SpatempoError(
            f"compare: {', '.join(models)}: two designs have the same name on disk; give each its own short name"
        )
    return {short: (design, {}) if isinstance(design, str) else design for short, design in given.items()}


def _options(
    named: Mapping[str, tuple[str, Mapping[str, Any]]], shared: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Short name -> its own options and those of `shared` that it has. Options that no design has are errors."""
    has = {short: parse_name(name)[0].options for short, (name, _) in named.items()}
    known = {option for options in has.values() for option in options}
    if unknown := sorted(set(shared) - known):
        raise SpatempoError(
            f"compare: no compared design has an option {unknown[0]!r}; they have {', '.join(sorted(known))}"
        )
    chosen = {}
    for short, (name, own) in named.items():
        chosen[short] = {key: value for key, value in shared.items() if key in has[short]} | dict(own)
        with torch.device("meta"):  # invalid options fail before training starts
            create_model(name, **chosen[short])
    return chosen
