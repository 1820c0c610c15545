"""Accuracy per family and within pairs, which shows whether a model uses the order of frames.

A *pair* consists of two classes that are each other's time-reversal. Accuracy within a pair considers only these two
classes. An order-blind model gives a clip and its reversal the same scores, so it is correct on one of them and wrong
on the other. Its accuracy within the pair is exactly 1/2 (chance level). A model with another accuracy uses motion.

Two rules keep this value exact in practice:

* **A tie counts one half**, neither correct nor wrong.
* **Near-ties are ties.** The mean over the frames of a reversed clip is summed in another order, so the last bits of
  the scores differ. These bits would decide if the two classes have almost equal scores. Therefore, scores that differ
  by less than :data:`TIE` times the largest score of the video count as equal. The rounding error of a float32 mean
  over T frames is at most about ``T * 6e-8`` of the summands, 1e-6 for 16 frames. TIE is larger to allow for rounding
  errors of earlier layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spatempo.errors import SpatempoError
from spatempo.evaluation.results.eval_result import EvalResult

if TYPE_CHECKING:
    from spatempo.data.manifest import Manifest

TIE = 1e-5


@dataclass(frozen=True)
class FamilyAccuracy:
    """Accuracy on one family.

    Attributes:
        n: number of videos.
        top1: accuracy among all classes.
        within_pair: accuracy among the two classes of the video's pair; None without pairs.
        accuracy: ``within_pair`` if there are pairs, else ``top1``.
    """

    n: int
    top1: float
    within_pair: float | None
    accuracy: float


@dataclass(frozen=True)
class PairAccuracy:
    """Accuracy on one pair: its family, its two classes, its number of videos, and the accuracy within the pair."""

    family: str | None
    classes: list[str]
    n: int
    within_pair: float


@dataclass(frozen=True)
class Families:
    """Accuracy per family and per pair, by name, in the order of the manifest."""

    families: dict[str, FamilyAccuracy]
    pairs: dict[str, PairAccuracy]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types, the same keys."""
        return asdict(self)


def families(result: EvalResult, manifest: Manifest) -> Families:
    """Compute the accuracy per family and per pair.

    Args:
        result: result of ``evaluate(model, manifest)``.
        manifest: the same manifest; its samples have a family and, optionally, a pair.

    Raises:
        SpatempoError: no sample has a family, the result belongs to other videos, or a pair does not have two classes.
    """
    samples = manifest.samples
    if not any(s.family for s in samples):
        raise SpatempoError(f"{manifest.source}: no sample has a family; add a column `family` (and `pair`)")
    if len(result.indices) and int(result.indices[-1]) >= len(samples):
        raise SpatempoError(
            f"{manifest.source}: the result belongs to another manifest (this one has {len(samples)} samples); "
            "give the manifest that was evaluated"
        )
    if any(samples[i].label != label for i, label in zip(result.indices, result.labels, strict=True)):
        raise SpatempoError(
            f"{manifest.source}: its labels differ from those of the result; give the manifest that was evaluated"
        )

    pairs = _pairs(manifest)
    hits: dict[str, list[float]] = {}  # family -> 0 or 1 per video
    within: dict[str, list[float]] = {}  # family -> 0, 1/2 or 1 per video of a pair
    by_pair: dict[str, list[float]] = {}
    for score, label, index in zip(result.scores, result.labels, result.indices, strict=True):
        sample = samples[index]
        if not sample.family:
            continue
        hits.setdefault(sample.family, []).append(float(score.argmax() == label))
        if sample.pair:
            right = within_pair(score, int(label), pairs[sample.pair])
            within.setdefault(sample.family, []).append(right)
            by_pair.setdefault(sample.pair, []).append(right)
    names = result.classes or manifest.classes
    family_of = {s.pair: s.family for s in samples if s.pair}
    return Families(
        families={
            f: _family(hits[f], within.get(f, [])) for f in dict.fromkeys(s.family for s in samples) if f in hits
        },
        pairs={
            pair: PairAccuracy(
                family=family_of[pair],
                classes=[names[k] for k in pairs[pair]],
                n=len(by_pair[pair]),
                within_pair=float(np.mean(by_pair[pair])),
            )
            for pair in pairs
            if pair in by_pair
        },
    )


def within_pair(score: np.ndarray, label: int, pair: Sequence[int]) -> float:
    """1 if `label` has a higher score than the other class of `pair`, 0 if lower, 1/2 if equal (within TIE).

    Args:
        score: ``[K]``, scores of one video.
        label: true class of the video, one of `pair`.
        pair: the two classes.
    """
    other = next(k for k in pair if k != label)
    gap = float(score[label]) - float(score[other])
    if abs(gap) <= TIE * float(np.abs(score).max()):
        return 0.5
    return float(gap > 0)


def _pairs(manifest: Manifest) -> dict[str, tuple[int, ...]]:
    """The two classes of every pair, in the order of the manifest's classes."""
    classes: dict[str, set[int]] = {}
    for sample in manifest.samples:
        if sample.pair:
            classes.setdefault(sample.pair, set()).add(sample.label)
    for pair, members in classes.items():
        if len(members) != 2:
            named = ", ".join(manifest.classes[k] for k in sorted(members))
            raise SpatempoError(
                f"{manifest.source}: pair {pair!r} has {len(members)} classes ({named}); give it two classes"
            )
    return {pair: tuple(sorted(members)) for pair, members in classes.items()}


def _family(hits: list[float], within: list[float]) -> FamilyAccuracy:
    top1 = float(np.mean(hits))
    within_pairs = float(np.mean(within)) if within else None
    return FamilyAccuracy(len(hits), top1, within_pairs, top1 if within_pairs is None else within_pairs)
