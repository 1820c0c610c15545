"""Settings of a run, and its folder."""

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
    """Settings of a run.

    Attributes:
        recipe: resolved recipe.
        per_epoch, total: batches (per device) in an epoch and in the run.
        world: number of devices.
        out: folder of the run.
        identity: values that must be equal to resume the run (see ``state.check_same_run``).
        save_every: optimiser steps between two saved states within an epoch; None: depends only on time.
        save_minutes: minutes between two saved states within an epoch.
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
        """Number of optimiser steps in the run."""
        return self.total // self.recipe.accumulate


def state_file(out: Path) -> Path:
    """File that contains the training state of a run."""
    return out / "resume" / "state.pt"


def run_folder(out: str | Path | None, model: str, *, resume: bool, leader: bool) -> Path:
    """Path of the folder of a run. The folder is not created yet.

    Args:
        out: folder given by the user; None: ``runs/MODEL``, or the first free one of ``runs/MODEL-2``, ...
        resume: the folder must contain a run.
        leader: whether this process writes the files (other processes may find files that it has already written).

    Raises:
        SpatempoError: it is a file, or is not empty.
    """
    if out is None:
        if resume:
            raise SpatempoError("`resume`: give the folder of the run to continue (`out`)")
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
    """Whether it contains files that must be kept. A run without a saved state has only files that are replaced."""
    if not folder.is_dir():
        return folder.exists()
    replaceable = {"recipe.json", "logs", "cache"}
    if not state_file(folder).exists():
        replaceable.add("resume")
    return any(entry.name not in replaceable for entry in folder.iterdir())
