"""The result of a comparison for one design, as ``compare`` returns it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class ComparedModel:
    """One design of a comparison; means over its seeds where it says so.

    Attributes:
        name: short name, of the table and the folders.
        model, options: the design and its options.
        top1, top5, mean_class: accuracies, means over the seeds.
        shuffled: top-1 with the frames in another order, a mean; None for clips of one frame.
        dependence: `top1` less `shuffled`; None as that.
        top1_seeds: top-1 of each seed.
        params, macs: of the network with this data's classes; MACs of one view.
        latency_ms: median of one clip.
        seconds: of training, a mean.
        epochs, lr: of training.
        frames, size: of a clip; pixels.
        n: test videos.
        per_class: accuracy by class name; None for a class without videos.
        confusion: ``confusion[truth][answer]``, counts summed over the seeds.
        unreadable: ``{"path", "reason"}`` of the test videos that could not be read.
        checkpoint: of the first seed.
        runs: one row per seed: ``seed, top1, top5, mean_class, shuffled, seconds, checkpoint`` and, where the test data
            name them, ``families, pairs``.
        report: path of the page.
        families, pairs: as :class:`~spatempo.evaluation.results.families.Families` has them, means over the seeds; None
            where the test data name none.
    """

    name: str
    model: str
    options: dict[str, Any]
    top1: float
    top5: float
    mean_class: float
    shuffled: float | None
    dependence: float | None
    top1_seeds: list[float]
    params: int
    macs: int
    latency_ms: float
    seconds: float
    epochs: int
    lr: float
    frames: int
    size: int
    n: int
    per_class: dict[str, float | None]
    confusion: list[list[int]]
    unreadable: list[dict[str, str]]
    checkpoint: str
    runs: list[dict[str, Any]]
    report: str
    families: dict[str, Any] | None = None
    pairs: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types, the same keys; without ``families`` and ``pairs`` where there are none."""
        missing = {key for key in ("families", "pairs") if getattr(self, key) is None}
        return {key: value for key, value in asdict(self).items() if key not in missing}
