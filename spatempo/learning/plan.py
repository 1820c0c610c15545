"""A run in numbers, and its folder."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatempo.errors import SpatempoError
from spatempo.files import check_folder
from spatempo.learning.recipe import Recipe


@dataclass(frozen=True)
class Plan:
    """What a run is going to do.

    Attributes:
        recipe: resolved.
        per_epoch, total: batches (of each device) of an epoch and of the run.
        world: devices.
        out: the run's folder.
        identity: what makes another run another one (see ``state.check_same_run``).
        save_every: optimiser steps between two states within an epoch; None: none by count.
        save_minutes: minutes between two states within an epoch.
    """

    recipe: Recipe
    per_epoch: int
    total: int
    world: int
    out: Path
    identity: dict[str, Any]
    save_every: int | None
    save_minutes: float

    @property
    def steps(self) -> int:
        """Optimiser steps of the run."""
        return self.total // self.recipe.accumulate


def state_file(out: Path) -> Path:
    """Where a run keeps its training state."""
    return out / "resume" / "state.pt"


def run_folder(out: str | Path | None, model: str, *, resume: bool, leader: bool) -> Path:
    """The folder of a run; nothing is made yet.

    Args:
        out: what the user asked for; None: ``runs/MODEL``, or the first free of ``runs/MODEL-2``, ...
        resume: a run is expected in it.
        leader: this process is the one that writes (the others may find what it has already written).

    Raises:
        SpatempoError: it is a file, or holds something already.
    """
    if out is None:
        if resume:
            raise SpatempoError("`resume`: name the run to continue with `out`")
        base = Path("runs") / model.replace("/", "-")
        tries = (base if n == 1 else base.with_name(f"{base.name}-{n}") for n in range(1, sys.maxsize))
        return next(folder for folder in tries if not _occupied(folder))
    folder = Path(out)
    if leader:
        check_folder(folder)
    if folder.exists() and not folder.is_dir():
        raise SpatempoError(f"{folder}: is a file; give a folder for the run (`out`)")
    if not resume and leader and _occupied(folder):
        raise SpatempoError(f"{folder}: is not empty; give a new folder (`out`), or continue the run in it (`resume`)")
    return folder


def _occupied(folder: Path) -> bool:
    """Whether there is anything to lose: a run that ended before its first state leaves only what is written anew."""
    if not folder.is_dir():
        return folder.exists()
    worthless = {"recipe.json", "logs", "cache"}
    if not state_file(folder).exists():
        worthless.add("resume")
    return any(entry.name not in worthless for entry in folder.iterdir())
