"""Result of an evaluation: metrics, and the scores that they are computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from spatempo.errors import SpatempoError
from spatempo.evaluation.arrays import to_array

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class EvalResult:
    """Metrics on n videos; all accuracies are between 0 and 1.

    Attributes:
        top1, top5: top-1 and top-5 accuracy. With fewer than five classes, top-5 uses all classes.
        mean_class: mean of `per_class` over the classes that have videos.
        per_class: accuracy by class name; None for a class without videos.
        confusion: ``confusion[truth][prediction]``, counts.
        n: number of videos that were read and scored.
        clips, crops: clips per video and crops per clip; a video has clips x crops views.
        unreadable: ``{"path", "reason"}`` of every video that could not be read; not counted in `n`.
        average: quantity averaged over the views, ``"logits"`` or ``"softmax"``.
        classes: class names, in the order of the scores.
        scores: float32 ``[n, K]``, mean logits over the views, or logarithms of mean probabilities.
        labels: int ``[n]``, true classes.
        indices: int ``[n]``, position of each video in its manifest, ascending.
        paths: paths of the n videos; empty if unknown.
    """

    top1: float
    top5: float
    mean_class: float
    per_class: dict[str, float | None]
    confusion: list[list[int]]
    n: int
    clips: int
    crops: int
    unreadable: list[dict[str, str]]
    average: str = "logits"
    classes: tuple[str, ...] = ()
    scores: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32), repr=False)
    labels: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64), repr=False)
    indices: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64), repr=False)
    paths: list[str] = field(default_factory=list, repr=False)

    @property
    def predictions(self) -> np.ndarray:
        """Predicted classes, int ``[n]``: the class with the best score."""
        return self.scores.argmax(1)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types, with the keys of ``spatempo test --json``."""
        keys = ("top1", "top5", "mean_class", "per_class", "confusion", "n", "clips", "crops", "average", "unreadable")
        return {key: getattr(self, key) for key in keys}


def measure(
    scores: np.ndarray | Tensor,
    labels: np.ndarray | Tensor,
    classes: Sequence[str],
    *,
    indices: Sequence[int] | None = None,
    paths: Sequence[str] | None = None,
    clips: int = 1,
    crops: int = 1,
    average: str = "logits",
    unreadable: Sequence[dict[str, str]] = (),
) -> EvalResult:
    """Compute the metrics.

    Args:
        scores: float ``[n, K]``, n >= 1.
        labels: int ``[n]``, true classes.
        classes: K different class names.
        indices: position of each video in its manifest; None: 0, 1, ...
        paths: path of every video of the manifest, by index.
        clips, crops, average, unreadable: stored in the result.

    Raises:
        SpatempoError: the number of names is not K, or a name occurs twice.
    """
    # imported here because they are slow (scipy.signal, torchvision's models), and `predict` does not need them
    import torch
    from torchmetrics.functional.classification import multiclass_accuracy, multiclass_confusion_matrix

    scores, labels = to_array(scores), np.asarray(labels, np.int64)
    count = scores.shape[1]
    if len(classes) != count:
        raise SpatempoError(
            f"{len(classes)} class names for a model with {count} classes; give the model's class names in its order"
        )
    if len(set(classes)) != count:
        twice = sorted({c for c in classes if list(classes).count(c) > 1})
        raise SpatempoError(f"class name {twice[0]!r} occurs twice; names must differ")
    indices = range(len(labels)) if indices is None else indices
    if count > 1:
        scored, true = torch.from_numpy(scores), torch.from_numpy(labels)
        confusion = multiclass_confusion_matrix(scored.argmax(1), true, count).numpy()
        top5 = float(multiclass_accuracy(scored, true, count, average="micro", top_k=min(5, count)))
    else:  # torchmetrics rejects one class; its accuracy is 1
        confusion, top5 = np.array([[len(labels)]]), 1.0
    # Not torchmetrics' macro average: it counts a class without videos as 0 if the class was predicted at least once.
    videos = confusion.sum(1)
    hits = confusion.diagonal()
    per_class = {name: float(h / v) if v else None for name, h, v in zip(classes, hits, videos, strict=True)}
    return EvalResult(
        top1=float(hits.sum() / videos.sum()),
        top5=top5,
        mean_class=float(np.mean([accuracy for accuracy in per_class.values() if accuracy is not None])),
        per_class=per_class,
        confusion=confusion.tolist(),
        n=len(labels),
        clips=clips,
        crops=crops,
        average=average,
        unreadable=list(unreadable),
        classes=tuple(classes),
        scores=scores,
        labels=labels,
        indices=np.asarray(indices, np.int64),
        paths=[] if paths is None else [str(paths[i]) for i in indices],
    )
