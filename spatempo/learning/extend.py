"""Resuming a run with another number of epochs: allowed if the steps already done would have been the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spatempo.errors import SpatempoError
from spatempo.learning.optim import lr_factor
from spatempo.learning.recipe import Recipe

# fields that determine the learning rate of a step, besides the peak rate
SCHEDULE = ("epochs", "warmup", "steps")
_WHY = {
    "onecycle": "its onecycle schedule raises and lowers the learning rate once over all epochs",
    "cosine": "its cosine schedule lowers the learning rate over all epochs",
    "step": "the warm-up and the drops of its step schedule are fractions of all epochs",
}


def check_past(before: Mapping[str, Any], now: Recipe, steps_per_epoch: int, done: int, folder: Path) -> None:
    """Raises an error if a change of the schedule would have changed the steps already done.

    Everything else in a step (clips, dropout, augmentation) depends only on the seed and the step. So a run that
    passes this check gives the same result as a run with these settings from the start, bit for bit on the CPU.

    Args:
        before: the resolved recipe of the run, as a dict.
        now: the new resolved recipe, which differs only in fields of `SCHEDULE`.
        steps_per_epoch: number of optimiser steps per epoch.
        done: number of optimiser steps already done.
        folder: folder of the run, for the message.

    Raises:
        SpatempoError: the message contains the schedule and an alternative.
    """
    then = Recipe.from_dict(before)
    if done > now.epochs * steps_per_epoch:
        raise SpatempoError(
            f"{folder}: `epochs={now.epochs}`: {done // steps_per_epoch} epochs are already done; give at least as many"
        )
    totals = then.epochs * steps_per_epoch, now.epochs * steps_per_epoch
    if all(lr_factor(then, step, totals[0]) == lr_factor(now, step, totals[1]) for step in range(done)):
        return
    fix = f"start a new run from its weights instead (`weights={folder / 'best'}`)"
    if now.schedule == "step":
        fix += ", or give `steps` and `warmup` that do not change the epochs already done"
    raise SpatempoError(
        f"{folder}: cannot be resumed with `epochs={now.epochs}` after {then.epochs}: {_WHY[now.schedule]}, so the "
        f"epochs already done would have had other learning rates; {fix}"
    )


def advice_when_finished(recipe: Recipe, folder: Path) -> str:
    """Message for a finished run: how to train longer."""
    constant = recipe.schedule == "step" and not recipe.warmup and (not recipe.steps or recipe.gamma == 1)
    more = "give more `epochs`, or " if constant else ""
    return (
        f"the run is finished: all {recipe.epochs} epochs are done; to train longer, {more}start a new run from its "
        f"weights (`weights={folder / 'best'}`)"
    )
