"""Choose a learning rate for each design of a comparison by short trials on the validation data.

A shared rate may suit some designs better than others. A trial trains for ``TRIAL_FRACTION`` of the budget with a rate
drawn by Optuna (Akiba et al., 2019) with the tree-structured Parzen estimator (Bergstra et al., 2011). Its score is its
best validation top-1 accuracy; the test clips are never used. The first trial uses the rate of the recipe.

Trials are kept in a JSON file, so an interrupted tuning continues. Each draw is seeded by its number and depends only
on the earlier trials, so an interruption does not change the rates.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from spatempo.errors import SpatempoError
from spatempo.learning.recipe import differences
from spatempo.learning.state import write
from spatempo.studies.comparing.parts import Parts
from spatempo.studies.comparing.run import Run
from spatempo.terminal import print_line

TRIAL_FRACTION = 0.25  # epochs of a trial as a fraction of those of a run; at least one epoch
RANGE = 10.0  # largest factor between a drawn rate and the rate of the recipe
_RANDOM_TRIALS = 4  # trials with random rates before the estimator is used


def tune_lr(run: Run, parts: Parts, trials: int) -> float:
    """Returns the learning rate with the best validation accuracy; among equals, the one tried first.

    A rate with which training diverges gets an accuracy of 0.

    Args:
        run: run of the design with the rate of the recipe; the trials are kept in ``<its folder>-tuning.json``.
        parts: trials use the training and the validation clips.
        trials: number of trials, including those in the file.

    Raises:
        SpatempoError: Optuna is not installed, there are no validation clips, or the file is damaged or was created
            with different settings.
    """
    check_tuning(parts)
    file = run.folder.with_name(run.folder.name + "-tuning.json")
    record = _load_record(file, {**run.identity(parts), "trial_fraction": TRIAL_FRACTION})
    if "epochs" not in record:
        record["epochs"] = max(1, round(TRIAL_FRACTION * run.epochs(parts)))
    start = run.recipe(parts).lr
    assert start is not None  # `recipe` fills in the default
    tried: list[dict[str, float]] = record["trials"]
    while len(tried) < trials:
        lr = draw(tried, start)
        print_line(f"{run.model}: trial {len(tried) + 1} of {trials}, lr {lr:g}", sys.stderr)
        tried.append({"lr": lr, "top1": _run_trial(run, parts, lr, record["epochs"])})
        write(file, json.dumps(record, indent=1).encode())
    return max(tried[:trials], key=lambda trial: trial["top1"])["lr"]


def check_tuning(parts: Parts) -> None:
    """Raises an error if Optuna or the validation clips are missing; call it before training starts."""
    load_optuna()
    if parts.val is None:
        raise SpatempoError(
            "compare: tune needs validation clips, since the test clips must not choose the learning rate; give `val`"
        )


def _run_trial(run: Run, parts: Parts, lr: float, epochs: int) -> float:
    try:
        found = replace(run, settings={**run.settings, "lr": lr}).trial(parts, epochs)
    except SpatempoError as error:
        if "diverged" not in str(error):
            raise
        return 0.0
    assert found.top1 is not None  # there are validation clips
    return found.top1


def draw(tried: Sequence[dict[str, float]], start: float) -> float:
    """Rate of the next trial: first `start`, then log-uniform within `RANGE` of it, then drawn by the estimator."""
    optuna = load_optuna()
    if not tried:
        return start
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(n_startup_trials=_RANDOM_TRIALS, seed=len(tried))
    study = optuna.create_study(direction="maximize", sampler=sampler)
    scale = optuna.distributions.FloatDistribution(start / RANGE, start * RANGE, log=True)
    for trial in tried:
        study.add_trial(
            optuna.trial.create_trial(params={"lr": trial["lr"]}, distributions={"lr": scale}, value=trial["top1"])
        )
    return float(f"{study.ask({'lr': scale}).params['lr']:.4g}")  # train with the rate exactly as it is printed


def load_optuna() -> Any:
    """Imports and returns Optuna.

    Raises:
        SpatempoError: it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise SpatempoError(
            "tuning needs Optuna: pip install 'spatempo[tune]' (or optuna), or do not give `tune`"
        ) from None
    return optuna


def _load_record(file: Path, settings: dict[str, Any]) -> dict[str, Any]:
    settings = json.loads(json.dumps(settings))
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        changed = differences(record["settings"], settings)
        _ = [(trial["lr"], trial["top1"]) for trial in record["trials"]]
    except FileNotFoundError:
        return {"settings": settings, "trials": []}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SpatempoError(f"{file}: is damaged; delete it, or choose another output folder") from None
    if changed:
        raise SpatempoError(
            f"{file}: was created with different settings ({'; '.join(changed[:3])}); "
            "delete it, or choose another output folder"
        )
    return record
