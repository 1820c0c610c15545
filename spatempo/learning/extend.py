"""A run that is resumed with another number of epochs: allowed where the steps already made stay what they were."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spatempo.errors import SpatempoError
from spatempo.learning.optim import lr_factor
from spatempo.learning.recipe import Recipe

# what decides the learning rate of a step, apart from the peak
SCHEDULE = ("epochs", "warmup", "steps")
_WHY = {
    "onecycle": "its onecycle schedule spreads one rise and fall of the learning rate over all epochs",
    "cosine": "its cosine schedule lets the learning rate fall over all epochs",
    "step": "the warm-up and the drops of its step schedule are fractions of all epochs",
}


def check_past(before: Mapping[str, Any], now: Recipe, steps_per_epoch: int, done: int, folder: Path) -> None:
    """Refuses a change of the schedule that would have changed the steps already made.

    Everything else of a step (clips, dropout, augmentation) depends on the seed and the step alone. So a run that
    passes this check ends where a run that had these settings from the start ends, bit for bit on the CPU.

    Args:
        before: the resolved recipe of the run, as plain values.
        now: the resolved recipe asked for, equal to it but for `SCHEDULE`.
        steps_per_epoch: optimiser steps.
        done: optimiser steps already made.
        folder: of the run, for the message.

    Raises:
        SpatempoError: says which schedule forbids it, and what can be done instead.
    """
    then = Recipe.from_dict(before)
    if done > now.epochs * steps_per_epoch:
        raise SpatempoError(
            f"{folder}: `epochs={now.epochs}`: {done // steps_per_epoch} epochs are done already; give at least as many"
        )
    totals = then.epochs * steps_per_epoch, now.epochs * steps_per_epoch
    if all(lr_factor(then, step, totals[0]) == lr_factor(now, step, totals[1]) for step in range(done)):
        return
    fix = f"start a new run from its weights instead (`weights={folder / 'best'}`)"
    if now.schedule == "step":
        fix += ", or give `steps` and `warmup` that leave the epochs already made as they were"
    raise SpatempoError(
        f"{folder}: cannot be resumed with `epochs={now.epochs}` after {then.epochs}: {_WHY[now.schedule]}, so the "
        f"epochs already made would have had other rates; {fix}"
    )


def advice_when_finished(recipe: Recipe, folder: Path) -> str:
    """How to train on from a run of which nothing is left to do."""
    constant = recipe.schedule == "step" and not recipe.warmup and (not recipe.steps or recipe.gamma == 1)
    more = "give more `epochs`, or " if constant else ""
    return (
        f"nothing is left to do: all {recipe.epochs} epochs are done; to train on, {more}start a new run from its "
        f"weights (`weights={folder / 'best'}`)"
    )
