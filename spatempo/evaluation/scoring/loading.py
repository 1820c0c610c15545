"""Load labelled videos as batches on the model's device, with a progress bar, for ``test`` and ``diagnose``."""

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
    """Load labelled videos with class indices that match the outputs of the model.

    Args:
        model: its ``classes``, if not None, are the names of its outputs.
        data: a manifest, or any source that :func:`~spatempo.data.manifest.load_manifest` accepts.

    Raises:
        SpatempoError: the data is invalid, or its classes differ from the model's.
    """
    check_classifier(model)
    names = model.classes
    manifest = data if isinstance(data, Manifest) else load_manifest(data, classes=names)
    if manifest is data and names is not None and tuple(manifest.classes) != tuple(names):
        raise SpatempoError(
            f"{manifest.source}: its classes differ from those of the model, in name or order; load it with "
            "load_manifest(source, classes=model.classes)"
        )
    return manifest


def batches(
    dataset: ClipDataset, videos: int, device: torch.device, *, workers: int = 0, progress: str = ""
) -> Iterator[tuple[dict[str, Any], Tensor | None]]:
    """Iterate over all videos once, in the order of the manifest.

    Args:
        dataset: the videos.
        videos: videos per batch.
        device: device of the model.
        workers: processes that read videos; 0 reads in the main process.
        progress: label of the progress bar on stderr; empty: no bar.

    Yields:
        The batch from :func:`~spatempo.data.dataset.collate`, and its clips on the device (None if no video of the
        batch could be read).
    """
    loader = DataLoader(
        dataset,
        batch_size=videos,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=device.type == "cuda",
    )
    with _progress_bar(len(dataset), progress) as advance:
        for batch in loader:
            found, bad = len(batch["index"]), len(batch["unreadable"])
            yield batch, batch["clip"].to(device, non_blocking=True) if found else None
            advance(found, bad)


@contextmanager
def _progress_bar(total: int, label: str) -> Iterator[Any]:
    """Context with a function ``advance(scored, unreadable)`` that updates a progress bar on stderr after each batch.

    Without a label there is no bar, and the function does nothing.
    """
    if not label:
        yield lambda scored, bad: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("videos"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(file=sys.stderr)) as bar:
        task = bar.add_task(label, total=total)
        unreadable = 0

        def advance(scored: int, bad: int) -> None:
            nonlocal unreadable
            unreadable += bad
            description = f"{label}, {unreadable} unreadable" if unreadable else label
            bar.update(task, advance=scored + bad, description=description)

        yield advance
