"""Train and test several designs alike: the same clips, recipe, budget, seeds and test views, one table and one page.

Each run (a design with a seed) keeps its own folder with its checkpoints and a ``result.json`` that also says how it
came about. A comparison that is started again takes finished runs from there, goes on with the one that was cut off,
and measures latency anew for all in one go, so that the machine was in the same state for each.
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
    """Trains and tests several designs alike.

    Args:
        data: to train on; with `val` and `test`, see :func:`~spatempo.studies.comparing.parts.find_parts`.
        models: names of designs; or short name -> design, or short name -> (design, its own options); the short name
            then stands in the table and on the disk.
        budget: ``"epochs=N"``, ``"minutes=M"``, ``"macs=2T"`` (multiply-accumulates of the forward passes in training;
            G, T, P) or a number of epochs, for each design and seed.
        seeds: runs of each design, with seeds 0, 1, ...; accuracies are their means.
        tune: so many short trials of each design choose its learning rate on the validation clips, see
            :mod:`~spatempo.studies.comparing.tuning`; 0: the recipe's rate for all.
        out: folder for ``report.html``, and for the runs.
        runs: another folder for the runs, which several comparisons can share: a run of the same short name and
            settings is done once.
        val, test: see `find_parts`.
        protocol: of the test; None: one centre view.
        recipe: of the training, a name; None: what the training takes for this data.
        options: of the designs, given to those that have them; a design's own options win.
        device: ``auto``, ``cpu``, ``cuda``, ...
        title: of the page.
        settings: further arguments of :func:`~spatempo.learning.train.train`: ``weights``, ``mean``, ``std``,
            ``workers``, ``cache`` (True: one for all designs, removed at the end), ``max_unreadable``, and fields of
            the recipe.

    Returns:
        One result per design, in the order of `models`.

    Raises:
        SpatempoError: unusable data, an unknown design or option, a design twice, or a folder that holds another
            comparison.
    """
    named = _named(models)
    check_number("seeds", seeds)
    check_number("tune", tune)
    check_folder(out)
    plan = parse_budget(budget)
    if protocol is not None:
        protocol_named(protocol)  # an unknown one is told before hours of training
    chosen = _options(named, options or {})
    parts = find_parts(data, val=val, test=test)
    if recipe is not None:
        settings["recipe"] = recipe
    frames = Path(out) / "cache"  # decoded once for all
    if settings.get("cache") is True:
        settings["cache"] = frames
    if tune:
        check_tuning(parts)  # told before hours of training
    found = {}
    for short, (name, _) in named.items():
        place = runs or out
        run = Run(run_folder(place, short, 0), name, chosen[short], 0, plan, protocol, device, settings)
        if tune:
            run = replace(run, settings={**settings, "lr": tune_lr(run, parts, tune)})
        of_seeds = [replace(run, folder=run_folder(place, short, seed), seed=seed) for seed in range(seeds)]
        found[short] = [of_seed.result(parts) for of_seed in of_seeds]
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
    """Short name -> design and its own options."""
    given = models if isinstance(models, Mapping) else {name: name for name in models}
    if not given:
        raise SpatempoError("compare: no design given; give at least one, such as tsm_resnet18")
    if len({run_folder("", short, 0) for short in given}) < len(models):
        raise SpatempoError(f"compare: {', '.join(models)}: a design is named twice")
    return {short: (design, {}) if isinstance(design, str) else design for short, design in given.items()}


def _options(
    named: Mapping[str, tuple[str, Mapping[str, Any]]], shared: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Short name -> its own options and those of `shared` that it has; what no design can take is an error."""
    has = {short: parse_name(name)[0].options for short, (name, _) in named.items()}
    known = {option for options in has.values() for option in options}
    if unknown := sorted(set(shared) - known):
        raise SpatempoError(
            f"compare: no compared design has an option {unknown[0]!r}; they have {', '.join(sorted(known))}"
        )
    chosen = {}
    for short, (name, own) in named.items():
        chosen[short] = {key: value for key, value in shared.items() if key in has[short]} | dict(own)
        with torch.device("meta"):  # an option it cannot take is told before hours of training the others
            create_model(name, **chosen[short])
    return chosen
