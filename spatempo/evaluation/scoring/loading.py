"""From labelled videos to batches on the model's device, with a progress bar: how ``test`` and ``diagnose`` read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from spatempo.data.dataset import ClipDataset, collate
from spatempo.data.manifest import Manifest, load_manifest
from spatempo.errors import SpatempoError
from spatempo.evaluation.classifier import ClipClassifier, check_classifier


def manifest_for(model: ClipClassifier, data: Manifest | str | Path) -> Manifest:
    """The labelled videos, their classes numbered as the model's outputs are.

    Args:
        model: its ``classes``, if they are known, say which output is which class.
        data: a manifest, or what :func:`~spatempo.data.manifest.load_manifest` takes.

    Raises:
        SpatempoError: data that cannot be used, or class names that are not the model's.
    """
    check_classifier(model)
    names = model.classes
    manifest = data if isinstance(data, Manifest) else load_manifest(data, classes=names)
    if manifest is data and names is not None and tuple(manifest.classes) != tuple(names):
        raise SpatempoError(
            f"{manifest.source}: its classes are not the model's in the model's order; load it with "
            "load_manifest(source, classes=model.classes)"
        )
    return manifest


def batches(
    dataset: ClipDataset, videos: int, where: torch.device, *, workers: int = 0, progress: str = ""
) -> Iterator[tuple[dict[str, Any], Tensor | None]]:
    """Every video once, in the order of the manifest.

    Args:
        videos: of a batch.
        where: the model is.
        workers: processes that read videos; 0 reads in this one.
        progress: what the bar on stderr says; empty: no bar.

    Yields:
        What :func:`~spatempo.data.dataset.collate` makes, and its clips on the device; None when none could be read.
    """
    loader = DataLoader(
        dataset,
        batch_size=videos,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=where.type == "cuda",
    )
    with _bar(len(dataset), progress) as advance:
        for batch in loader:
            found, bad = len(batch["index"]), len(batch["unreadable"])
            yield batch, batch["clip"].to(where, non_blocking=True) if found else None
            advance(found, bad)


@contextmanager
def _bar(total: int, says: str) -> Iterator[Any]:
    """``advance(scored, unreadable)``, of one batch, which draws a progress bar on stderr, or does nothing."""
    if not says:
        yield lambda scored, bad: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("videos"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(file=sys.stderr)) as bar:
        task = bar.add_task(says, total=total)
        unreadable = 0

        def advance(scored: int, bad: int) -> None:
            nonlocal unreadable
            unreadable += bad
            described = f"{says}, {unreadable} unreadable" if unreadable else says
            bar.update(task, advance=scored + bad, description=described)

        yield advance
