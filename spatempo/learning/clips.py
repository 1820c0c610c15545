"""Loads labelled clips, and creates the data sets and loaders of a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from torch.utils.data import DataLoader

from spatempo.data._open import open_clip
from spatempo.data.cache import FrameCache
from spatempo.data.dataset import ClipDataset, collate
from spatempo.data.flip import direction_flip_map
from spatempo.data.manifest import Manifest, load_manifest
from spatempo.data.split import split
from spatempo.data.transforms import TrainTransform
from spatempo.errors import SpatempoError
from spatempo.inputs.spec import Preprocess
from spatempo.learning.batches import BatchStream, EvalSampler
from spatempo.learning.interrupts import delay_signals
from spatempo.learning.recipe import Recipe
from spatempo.video.source import VideoSource

Fact = TypeVar("Fact")
VAL_BATCH = 16  # clips; the same as in `evaluate`, so that results are equal including rounding


def load_clips(
    data: str | Path | Manifest, val: str | Path | Manifest | None, val_split: float, seed: int
) -> tuple[Manifest, Manifest | None]:
    """Training and validation clips with the same classes; `val_split` splits validation clips off `data`."""
    train = data if isinstance(data, Manifest) else load_manifest(data)
    if val is None:
        return split(train, val_split, seed) if val_split else (train, None)
    if not isinstance(val, Manifest):
        val = load_manifest(val, classes=train.classes)
    elif val.classes != train.classes:
        raise SpatempoError(
            f"{val.source}: its classes, or their order, differ from those of {train.source}; load it with "
            "load_manifest(source, classes=train.classes)"
        )
    return train, val


def median_short_side(manifest: Manifest, max_videos: int = 15, *, reads: str = "rgb") -> int:
    """Median short side in pixels of a few videos spread evenly over a manifest.

    Args:
        max_videos: largest number of videos to open.
        reads: kind of frames, see :func:`spatempo.video.source.open_video`.

    Raises:
        SpatempoError: none of them can be read.
    """
    sides, errors = _collect(manifest, max_videos, lambda video: min(video.height, video.width), reads=reads)
    if not sides:
        raise errors[0]
    return sorted(sides)[len(sides) // 2]


def median_seconds(manifest: Manifest, max_videos: int = 15, *, reads: str = "rgb") -> float | None:
    """Median length in seconds of a few videos spread evenly over a manifest.

    None if the videos have no timestamps (folders of images), or none of them can be read.
    """
    lengths = sorted(
        seconds
        for seconds in _collect(manifest, max_videos, lambda video: video.duration, reads=reads)[0]
        if seconds > 0
    )
    return round(lengths[len(lengths) // 2], 3) if lengths else None


def _collect(
    manifest: Manifest, max_videos: int, fact: Callable[[VideoSource], Fact], *, reads: str = "rgb"
) -> tuple[list[Fact], list[SpatempoError]]:
    """Evaluates `fact` for a few videos; returns the values, and the errors of unreadable videos."""
    step = max(1, len(manifest) // max_videos)
    facts: list[Fact] = []
    errors: list[SpatempoError] = []
    for sample in manifest.samples[::step][:max_videos]:
        try:
            with open_clip(sample.path, manifest.template, reads=reads) as video:
                facts.append(fact(video))
        except SpatempoError as error:
            errors.append(error)  # reported and counted when training reads this video
    return facts, errors


def mirrored_labels(kind: str, classes: Sequence[str]) -> str | dict[int, int] | None:
    """Value of ``TrainTransform(flip=...)`` for the ``flip`` field of a recipe.

    Raises:
        SpatempoError: ``"plain"``, but a class is a direction, and its mirror image is another class.
    """
    if kind == "none":
        return None
    directions = direction_flip_map(classes)
    if kind == "plain" and directions:
        name = classes[next(iter(directions))]
        raise SpatempoError(f"`flip=plain`: a mirrored {name!r} is another class; choose `flip=labels` or `flip=none`")
    return directions or "plain"


def make_datasets(
    train: Manifest, val: Manifest | None, preprocess: Preprocess, recipe: Recipe, cache: Path | None
) -> tuple[ClipDataset, ClipDataset | None]:
    """Data sets of training clips with the augmentation of the recipe, and of validation clips with one centre view.

    Args:
        cache: folder for decoded frames, filled by this function; None: videos are decoded every time.
    """
    transform = TrainTransform(
        preprocess, scale=recipe.scale, flip=mirrored_labels(recipe.flip, train.classes), color=recipe.color
    )
    caches: list[FrameCache | None] = [None, None]
    if cache is not None:
        reads = preprocess.kind.reads
        caches[0] = FrameCache(train, transform.short_side, cache, reads=reads).fill()
        caches[1] = FrameCache(val, preprocess.short_side, cache, reads=reads).fill() if val else None
    train_set = ClipDataset(train, preprocess, train=True, seed=recipe.seed, transform=transform, cache=caches[0])
    return train_set, ClipDataset(val, preprocess, train=False, cache=caches[1]) if val else None


@dataclass(frozen=True)
class Loading:
    """Settings for loading clips. They do not change the result of training.

    Attributes:
        workers: number of processes that read clips; 0: this process reads them between steps.
        start_method: start method of the workers; None: the default of the platform.
        pin: whether to use page-locked memory, for CUDA.
    """

    workers: int
    start_method: str | None = None
    pin: bool = False
    _made: list[DataLoader[Any]] = field(default_factory=list, repr=False)

    def train(self, dataset: ClipDataset, stream: BatchStream) -> DataLoader[Any]:
        return self._loader(dataset, batch_sampler=stream)

    def val(self, dataset: ClipDataset, rank: int, world: int) -> DataLoader[Any]:
        return self._loader(dataset, sampler=EvalSampler(len(dataset), rank=rank, world=world), batch_size=VAL_BATCH)

    def _loader(self, dataset: ClipDataset, **order: Any) -> DataLoader[Any]:
        loader: DataLoader[Any] = DataLoader(
            dataset,
            num_workers=self.workers,
            collate_fn=collate,
            pin_memory=self.pin,
            persistent_workers=self.workers > 0,
            worker_init_fn=delay_signals if self.workers else None,
            multiprocessing_context=self.start_method if self.workers else None,
            **order,
        )
        self._made.append(loader)
        return loader

    def close(self) -> None:
        """Ends the workers. At the end of the program they would get SIGTERM, which they delay for a minute."""
        for loader in self._made:
            iterator: Any = loader._iterator  # torch keeps it for persistent workers and has no public way to end them
            if iterator is not None:
                iterator._shutdown_workers()
                loader._iterator = None
        self._made.clear()


def default_workers() -> int:
    """Number of cores available to this process minus one (used by the model), at most 8."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(0, min(cores - 1, 8))
