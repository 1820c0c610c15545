"""A learning rate for each design of a comparison, found by short trials on the validation data.

No design should lose to a rate that suits another. A trial is a training of ``SHARE`` of the budget with another rate,
drawn by Optuna (Akiba et al., 2019) with the tree-structured Parzen estimator (Bergstra et al., 2011); it is judged by
its best validation top-1, never by the test clips. The first trial has the recipe's own rate.

Trials are kept in a JSON file, so a tuning that was cut off goes on. Each draw is seeded by its number and depends on
the earlier trials alone: cut off or not, the rates are the same.
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
from spatempo.terminal import say

SHARE = 0.25  # of the epochs of a run, for each trial; at least one
RANGE = 10.0  # the rate lies within this factor of the recipe's
_BLIND = 4  # trials before the estimator draws, rather than chance


def tune_lr(run: Run, parts: Parts, trials: int) -> float:
    """The learning rate with which a design did best; among equals the one tried first.

    A rate with which training diverges counts as nothing right.

    Args:
        run: of the design, with the recipe's own rate; ``<its folder>-tuning.json`` keeps the trials.
        parts: trials train on the training clips and are judged on the validation clips.
        trials: how many, with those that the file holds.

    Raises:
        SpatempoError: Optuna is not installed, there are no validation clips, or a file that is damaged or of another
            tuning.
    """
    check_tuning(parts)
    file = run.folder.with_name(run.folder.name + "-tuning.json")
    kept = _kept(file, {**run.identity(parts), "share": SHARE})
    if "epochs" not in kept:
        kept["epochs"] = max(1, round(SHARE * run.epochs(parts)))
    start = run.recipe(parts).lr
    assert start is not None  # an open one is filled
    tried: list[dict[str, float]] = kept["trials"]
    while len(tried) < trials:
        lr = draw(tried, start)
        say(f"{run.model}: trial {len(tried) + 1} of {trials}, lr {lr:g}", sys.stderr)
        tried.append({"lr": lr, "top1": _attempt(run, parts, lr, kept["epochs"])})
        write(file, json.dumps(kept, indent=1).encode())
    return max(tried[:trials], key=lambda trial: trial["top1"])["lr"]


def check_tuning(parts: Parts) -> None:
    """Whether there is what tuning needs; to be asked before hours of training."""
    load_optuna()
    if parts.val is None:
        raise SpatempoError("compare: tune needs validation clips, since the test clips must not choose; give `val`")


def _attempt(run: Run, parts: Parts, lr: float, epochs: int) -> float:
    try:
        found = replace(run, settings={**run.settings, "lr": lr}).trial(parts, epochs)
    except SpatempoError as error:
        if "diverged" not in str(error):
            raise
        return 0.0
    assert found.top1 is not None  # there are validation clips
    return found.top1


def draw(tried: Sequence[dict[str, float]], start: float) -> float:
    """The rate to try next: log-uniform within `RANGE` of `start` at first, then where the estimator expects more."""
    optuna = load_optuna()
    if not tried:
        return start
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(n_startup_trials=_BLIND, seed=len(tried))
    study = optuna.create_study(direction="maximize", sampler=sampler)
    scale = optuna.distributions.FloatDistribution(start / RANGE, start * RANGE, log=True)
    for trial in tried:
        study.add_trial(
            optuna.trial.create_trial(params={"lr": trial["lr"]}, distributions={"lr": scale}, value=trial["top1"])
        )
    return float(f"{study.ask({'lr': scale}).params['lr']:.4g}")  # as it is written, so it is trained with


def load_optuna() -> Any:
    """The library.

    Raises:
        SpatempoError: it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise SpatempoError(
            "tuning needs Optuna: pip install 'spatempo[tune]' (or optuna), or leave `tune` out"
        ) from None
    return optuna


def _kept(file: Path, settings: dict[str, Any]) -> dict[str, Any]:
    settings = json.loads(json.dumps(settings))
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        changed = differences(kept["settings"], settings)
        _ = [(trial["lr"], trial["top1"]) for trial in kept["trials"]]
    except FileNotFoundError:
        return {"settings": settings, "trials": []}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SpatempoError(f"{file}: is damaged; delete it, or take another out") from None
    if changed:
        raise SpatempoError(
            f"{file}: holds a tuning with other settings ({'; '.join(changed[:3])}); delete it, or choose another out"
        )
    return kept
