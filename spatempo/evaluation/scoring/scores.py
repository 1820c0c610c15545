"""From views to the scores of a video, and from the scores of many videos to a result.

:func:`score_views` is the one function that does the first: validation during training, ``test`` and ``predict`` all
call it, so their numbers agree.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from spatempo.errors import SpatempoError
from spatempo.evaluation.classifier import ClipClassifier
from spatempo.evaluation.results.eval_result import EvalResult, measure
from spatempo.evaluation.running import logits_of
from spatempo.evaluation.scoring.score_rows import ScoreRows


def score_views(model: ClipClassifier, clip: Tensor, *, chunk: int | None = None, average: str = "logits") -> Tensor:
    """Scores of videos: the mean over their views.

    Args:
        model: maps clips ``[N, C, T, H, W]`` to logits ``[N, K]``; in eval mode
            (:func:`~spatempo.evaluation.running.eval_mode`).
        clip: ``[B, V, 3, T, H, W]``, or ``[B, 3, T, H, W]`` for one view each.
        chunk: at most so many views in one call of the model, which bounds the memory of 10 x 10 views; None: all.
        average: ``"logits"``, before any softmax, or ``"softmax"``, the probabilities.

    Returns:
        Float32 ``[B, K]``: mean logits, or logarithms of mean probabilities, so that the softmax of either is what the
        model believes of the video.

    Raises:
        ValueError: `clip` has other than 5 or 6 axes.
    """
    if clip.ndim == 5:
        clip = clip[:, None]
    if clip.ndim != 6:
        raise ValueError(f"clip is {list(clip.shape)}; expected [B, V, 3, T, H, W] or [B, 3, T, H, W]")
    batch, views = clip.shape[:2]
    flat = clip.flatten(0, 1)  # [B*V, 3, T, H, W]; a view, its channels_last_3d memory kept
    logits = torch.cat([logits_of(model, part) for part in flat.split(chunk or len(flat))])
    logits = logits.unflatten(0, (batch, views))
    if average == "softmax":
        return logits.log_softmax(2).logsumexp(1) - math.log(views)
    return logits.mean(1)


class Scores:
    """Collects the scores of videos, each video once.

    A distributed sampler repeats samples to make the parts of all processes equal in size, and the same video may come
    twice; keeping one row per index makes the result exact rather than nearly so.

    Args:
        classes: number of classes.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self._rows: dict[int, tuple[int, int]] = {}  # label and place of every index
        self._scores = ScoreRows(classes)
        self._unreadable: dict[int, tuple[str, str]] = {}

    def __len__(self) -> int:
        """Videos with scores."""
        return len(self._rows)

    @property
    def unreadable(self) -> list[dict[str, str]]:
        """``{"path", "reason"}`` of the videos that could not be read, in the order of the manifest."""
        return [{"path": path, "reason": reason} for _, (path, reason) in sorted(self._unreadable.items())]

    def add(self, index: Tensor, label: Tensor, score: Tensor) -> None:
        """Adds a batch.

        Args:
            index: ``[B]``, the position of each video in its manifest.
            label: ``[B]``, its true class.
            score: ``[B, K]``, from :func:`score_views`.

        Raises:
            SpatempoError: a label that the model has no class for, or scores of another number of classes.
        """
        if score.shape != (len(index), self.classes):
            raise SpatempoError(
                f"scores are {list(score.shape)} but {len(index)} videos x {self.classes} classes expected"
            )
        for i, y, row in zip(index.tolist(), label.tolist(), score, strict=True):
            if not 0 <= y < self.classes:
                raise SpatempoError(
                    f"video {i} has label {y} but the model has {self.classes} classes (0 to {self.classes - 1})"
                )
            if i not in self._rows:
                self._rows[i] = (y, len(self._scores))
                self._scores.add(row)

    def add_batch(self, batch: Mapping[str, Any], score: Tensor | None) -> None:
        """Adds a batch as :func:`spatempo.data.dataset.collate` makes it, with the videos that could not be read.

        Args:
            batch: ``index``, ``label`` and ``unreadable``.
            score: ``[B, K]``, from :func:`score_views`; None when B is 0.
        """
        if score is not None:
            self.add(batch["index"], batch["label"], score)
        for item in batch["unreadable"]:
            self._unreadable[item["index"]] = (item["path"], item["reason"])

    def gather(self) -> Scores:
        """Everything that all processes have collected; itself when there is one process.

        A collective call: under DDP every process must make it, and each gets the same answer.
        """
        if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
            return self
        index = sorted(self._rows)
        mine = (
            torch.tensor(index, dtype=torch.long),
            *self._of(index),
            self._unreadable,
        )
        parts: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(parts, mine)
        everything = Scores(self.classes)
        for index, label, score, unreadable in parts:
            everything.add(index, label, score)
            everything._unreadable.update(unreadable)
        return everything

    def _of(self, index: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Labels ``[n]`` and scores ``[n, K]`` of videos."""
        rows = [self._rows[i] for i in index]
        labels = torch.tensor([label for label, _ in rows], dtype=torch.long)
        return labels, torch.from_numpy(self._scores.numpy())[[place for _, place in rows]]

    def result(
        self,
        classes: Sequence[str] | None = None,
        *,
        paths: Sequence[str] | None = None,
        clips: int = 1,
        crops: int = 1,
        average: str = "logits",
    ) -> EvalResult:
        """The metrics of what was collected (of this process: call :meth:`gather` first).

        Args:
            classes: class names; None: ``"0"``, ``"1"``, ...
            paths: path of every video of the manifest, by index.
            clips, crops, average: for the record.

        Raises:
            SpatempoError: no video could be read, scores are not finite, or the names are of another number.
        """
        if not self._rows:
            if not self._unreadable:
                raise SpatempoError("no video to evaluate: give data with at least one")
            first = "{path}: {reason}".format(**self.unreadable[0])
            raise SpatempoError(
                f"no video to evaluate: {len(self._unreadable)} of {len(self._unreadable)} cannot be read ({first}); "
                "`spatempo data scan` names the reason of each"
            )
        index = sorted(self._rows)
        labels, scores = self._of(index)
        bad = int((~scores.isfinite().all(1)).sum())
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
