"""Accuracy by family and within pairs: does a model see the order of frames, or only what is in them?

A *pair* is two classes that are each other's time-reversal. Asked only "which of the two?", a model that ignores the
order of frames gives a clip and its reversal the same scores, so it is right on one of them and wrong on the other:
exactly 1/2, whatever it has learnt. That is the line a model must leave to have seen movement.

Two rules keep the 1/2 exact in practice:

* **a tie counts one half**, neither right nor wrong;
* **near-ties are ties.** A mean over frames is summed in another order for the reversed clip, so its scores differ in
  the last bits, and where the two classes are as good as equal the bits would decide. Scores closer than
  :data:`TIE` times the largest score of the video are therefore taken as equal. The rounding of a float32 mean over
  T frames is at most about ``T * 6e-8`` of the summands, 1e-6 for 16 frames; TIE leaves room for the layers before.
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
    """One family.

    Attributes:
        n: videos.
        top1: accuracy among all classes.
        within_pair: accuracy when the answer is restricted to the two classes of the video's pair; None without pairs.
        accuracy: the one to look at: ``within_pair`` where there is one, else ``top1``.
    """

    n: int
    top1: float
    within_pair: float | None
    accuracy: float


@dataclass(frozen=True)
class PairAccuracy:
    """One pair: its family, its two classes, its videos, and the accuracy within the pair."""

    family: str | None
    classes: list[str]
    n: int
    within_pair: float


@dataclass(frozen=True)
class Families:
    """Accuracy by family and by pair, both by name and in the order of the manifest."""

    families: dict[str, FamilyAccuracy]
    pairs: dict[str, PairAccuracy]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types, the same keys."""
        return asdict(self)


def families(result: EvalResult, manifest: Manifest) -> Families:
    """Accuracy by family and by pair.

    Args:
        result: of ``evaluate(model, manifest)``.
        manifest: the same; its samples name their family and pair.

    Raises:
        SpatempoError: no sample names a family, the result is of other videos, or a pair has not two classes.
    """
    samples = manifest.samples
    if not any(s.family for s in samples):
        raise SpatempoError(f"{manifest.source}: no sample names its family; add a column `family` (and `pair`)")
    if len(result.indices) and int(result.indices[-1]) >= len(samples):
        raise SpatempoError(f"{manifest.source}: has {len(samples)} samples, the result is of another manifest")
    if any(samples[i].label != label for i, label in zip(result.indices, result.labels, strict=True)):
        raise SpatempoError(
            f"{manifest.source}: its labels are not those of the result; give the manifest it came from"
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
    """1 when `label` scores higher than the other class of `pair`, 0 when lower, 1/2 when equal (within TIE).

    Args:
        score: ``[K]``, of one video.
        label: its class, one of `pair`.
        pair: two classes.
    """
    other = next(k for k in pair if k != label)
    gap = float(score[label]) - float(score[other])
    if abs(gap) <= TIE * float(np.abs(score).max()):
        return 0.5
    return float(gap > 0)


def _pairs(manifest: Manifest) -> dict[str, tuple[int, ...]]:
    """Classes of every pair, in the order of the manifest's classes."""
    classes: dict[str, set[int]] = {}
    for sample in manifest.samples:
        if sample.pair:
            classes.setdefault(sample.pair, set()).add(sample.label)
    for pair, members in classes.items():
        if len(members) != 2:
            named = ", ".join(manifest.classes[k] for k in sorted(members))
            raise SpatempoError(
                f"{manifest.source}: pair {pair!r} has {len(members)} classes ({named}); a pair has two"
            )
    return {pair: tuple(sorted(members)) for pair, members in classes.items()}


def _family(hits: list[float], within: list[float]) -> FamilyAccuracy:
    top1 = float(np.mean(hits))
    share = float(np.mean(within)) if within else None
    return FamilyAccuracy(len(hits), top1, share, top1 if share is None else share)
