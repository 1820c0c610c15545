"""Compute the scores of a video from its views, and a result from the scores of many videos.

Validation during training, ``test`` and ``predict`` all use :func:`score_views`, so their numbers agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from spatempo.errors import SpatempoError
from spatempo.evaluation.arrays import log_mean_exp, log_softmax
from spatempo.evaluation.classifier import ClipClassifier
from spatempo.evaluation.results.eval_result import EvalResult, measure
from spatempo.evaluation.running import is_tensor, logits_of
from spatempo.evaluation.scoring.score_rows import ScoreRows

if TYPE_CHECKING:
    from torch import Tensor


@overload
def score_views(
    model: ClipClassifier, clip: Tensor, *, chunk: int | None = None, average: str = "logits"
) -> Tensor: ...
@overload
def score_views(
    model: ClipClassifier, clip: np.ndarray, *, chunk: int | None = None, average: str = "logits"
) -> np.ndarray: ...
def score_views(
    model: ClipClassifier, clip: Tensor | np.ndarray, *, chunk: int | None = None, average: str = "logits"
) -> Tensor | np.ndarray:
    """Compute the scores of videos, averaged over their views.

    Args:
        model: maps clips ``[N, C, T, H, W]`` to logits ``[N, K]``; in eval mode
            (:func:`~spatempo.evaluation.running.eval_mode`).
        clip: ``[B, V, 3, T, H, W]``, or ``[B, 3, T, H, W]`` with one view per video.
        chunk: largest number of views per call of the model, which limits memory for 10 x 10 views; None: all views.
        average: ``"logits"``, before the softmax, or ``"softmax"``, probabilities.

    Returns:
        Float32 ``[B, K]``, an array or a tensor on the same device, like `clip`: mean logits, or logarithms of mean
        probabilities. In both cases, their softmax gives the class probabilities of the video.

    Raises:
        ValueError: `clip` does not have 5 or 6 axes.
    """
    if clip.ndim == 5:
        clip = clip[:, None]
    if clip.ndim != 6:
        raise ValueError(f"clip is {list(clip.shape)}; expected [B, V, 3, T, H, W] or [B, 3, T, H, W]")
    batch, views = clip.shape[:2]
    flat = clip.reshape(batch * views, *clip.shape[2:])  # no copy, still in channels_last_3d format
    step = chunk or len(flat)
    logits = np.concatenate([logits_of(model, flat[start : start + step]) for start in range(0, len(flat), step)])
    logits = logits.reshape(batch, views, -1)
    scores = log_mean_exp(log_softmax(logits), 1) if average == "softmax" else logits.mean(1)
    if not is_tensor(clip):
        return scores
    from spatempo.inputs.tensors import as_tensor

    return as_tensor(scores, like=clip)


class Scores:
    """Collects the scores of videos, one row per video.

    A distributed sampler repeats samples so that all processes have the same number, so a video can occur twice. It is
    counted once, which makes the result exact.

    Args:
        classes: number of classes.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self._rows: dict[int, tuple[int, int]] = {}  # label and row number by index
        self._scores = ScoreRows(classes)
        self._unreadable: dict[int, tuple[str, str]] = {}

    def __len__(self) -> int:
        """Number of videos with scores."""
        return len(self._rows)

    @property
    def unreadable(self) -> list[dict[str, str]]:
        """``{"path", "reason"}`` of the videos that could not be read, in the order of the manifest."""
        return [{"path": path, "reason": reason} for _, (path, reason) in sorted(self._unreadable.items())]

    def add(self, index: Tensor | np.ndarray, label: Tensor | np.ndarray, score: Tensor | np.ndarray) -> None:
        """Add the scores of a batch.

        Args:
            index: ``[B]``, position of each video in its manifest.
            label: ``[B]``, true classes.
            score: ``[B, K]``, from :func:`score_views`.

        Raises:
            SpatempoError: a label is not a class of the model, or the number of scores is not the number of classes.
        """
        if tuple(score.shape) != (len(index), self.classes):
            raise SpatempoError(
                f"scores are {list(score.shape)}; expected {len(index)} videos x {self.classes} classes"
            )
        for i, y, row in zip(index.tolist(), label.tolist(), score, strict=True):
            if not 0 <= y < self.classes:
                raise SpatempoError(
                    f"video {i} has label {y} but the model has {self.classes} classes (0 to {self.classes - 1})"
                )
            if i not in self._rows:
                self._rows[i] = (y, len(self._scores))
                self._scores.add(row)

    def add_batch(self, batch: Mapping[str, Any], score: Tensor | np.ndarray | None) -> None:
        """Add a batch from :func:`spatempo.data.dataset.collate`, including its unreadable videos.

        Args:
            batch: dictionary with ``index``, ``label`` and ``unreadable``.
            score: ``[B, K]``, from :func:`score_views`; None if B is 0.
        """
        if score is not None:
            self.add(batch["index"], batch["label"], score)
        for item in batch["unreadable"]:
            self._unreadable[item["index"]] = (item["path"], item["reason"])

    def gather(self) -> Scores:
        """Scores collected by all processes; with one process, this object itself.

        This is a collective operation: under DDP every process must call it, and all get the same result.
        """
        import torch.distributed as dist

        if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
            return self
        index = sorted(self._rows)
        own = (np.array(index, np.int64), *self._of(index), self._unreadable)
        parts: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(parts, own)
        gathered = Scores(self.classes)
        for index, label, score, unreadable in parts:
            gathered.add(index, label, score)
            gathered._unreadable.update(unreadable)
        return gathered

    def _of(self, index: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Labels ``[n]`` and scores ``[n, K]`` of the videos with these indices."""
        rows = [self._rows[i] for i in index]
        labels = np.array([label for label, _ in rows], np.int64)
        return labels, self._scores.numpy()[[row for _, row in rows]]

    def result(
        self,
        classes: Sequence[str] | None = None,
        *,
        paths: Sequence[str] | None = None,
        clips: int = 1,
        crops: int = 1,
        average: str = "logits",
    ) -> EvalResult:
        """Compute the metrics of the collected scores of this process (call :meth:`gather` first under DDP).

        Args:
            classes: class names; None: ``"0"``, ``"1"``, ...
            paths: path of every video of the manifest, by index.
            clips, crops, average: stored in the result.

        Raises:
            SpatempoError: no video could be read, scores are not finite, or the number of class names is wrong.
        """
        if not self._rows:
            if not self._unreadable:
                raise SpatempoError("no video to evaluate: give data with at least one video")
            first = "{path}: {reason}".format(**self.unreadable[0])
            raise SpatempoError(
                f"no video to evaluate: {len(self._unreadable)} of {len(self._unreadable)} cannot be read ({first}); "
                "`spatempo data scan` lists the reason for each"
            )
        index = sorted(self._rows)
        labels, scores = self._of(index)
        bad = int((~np.isfinite(scores).all(1)).sum())
        if bad:
            raise SpatempoError(
                f"scores of {bad} of {len(index)} videos are not finite: the model has diverged; "
                "train with a smaller learning rate or load an earlier checkpoint"
            )
        return measure(
            scores,
            labels,
            [str(k) for k in range(self.classes)] if classes is None else classes,
            indices=index,
            paths=paths,
            clips=clips,
            crops=crops,
            average=average,
            unreadable=self.unreadable,
        )
