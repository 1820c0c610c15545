"""The result of a comparison for one design, as ``compare`` returns it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class ComparedModel:
    """Result of one design of a comparison.

    Attributes:
        name: short name, as in the table and the folders.
        model, options: model name and options of the design.
        top1, top5, mean_class: accuracies, means over the seeds.
        shuffled: top-1 accuracy with shuffled frames, mean over the seeds; None for clips of one frame.
        drop_when_shuffled: drop when shuffled, `top1` minus `shuffled`; None for clips of one frame.
        top1_seeds: top-1 accuracy of each seed.
        params, macs: parameters and multiply-accumulates of one view, with the classes of this data.
        latency_ms: median time per clip in milliseconds.
        seconds: training time, mean over the seeds.
        epochs, lr: training epochs and learning rate.
        frames, size: frames per clip; height and width in pixels.
        n: number of test videos.
        per_class: accuracy by class name; None for a class without videos.
        confusion: ``confusion[truth][prediction]``, counts summed over the seeds.
        unreadable: ``{"path", "reason"}`` of each test video that could not be read.
        checkpoint: checkpoint of the first seed.
        runs: one row per seed: ``seed, top1, top5, mean_class, shuffled, seconds, checkpoint`` and, if the test data
            define them, ``families, pairs``.
        report: path of the page.
        families, pairs: as in :class:`~spatempo.evaluation.results.families.Families`, means over the seeds; None if
            the test data define none.
    """

    name: str
    model: str
    options: dict[str, Any]
    top1: float
    top5: float
    mean_class: float
    shuffled: float | None
    drop_when_shuffled: float | None
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
        """The attributes as plain JSON types, without ``families`` and ``pairs`` if they are None."""
        missing = {key for key in ("families", "pairs") if getattr(self, key) is None}
        return {key: value for key, value in asdict(self).items() if key not in missing}
