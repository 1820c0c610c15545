"""Input of the page of a comparison: the results of one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class ModelResult:
    """Results of one model. Only the name is required; sections without values are omitted.

    Attributes:
        name: short name.
        row: its row of the table: ``params``, ``macs`` (counts), ``top1``, ``top5``, ``mean_class``, ``shuffled``
            (accuracies, 0 to 1), ``drop_when_shuffled`` (0 to 1), ``latency_ms``, ``seconds``; other keys are shown
            unchanged.
        spread: key of the row -> standard deviation over the seeds.
        scores: accuracy of each seed, for the charts of accuracy and cost.
        families: family -> accuracy (within the pair if the family has pairs).
        pairs: pair -> accuracy within the pair.
        per_class: class -> accuracy.
        confusion: ``[true class][predicted class]``, counts.
        classes: names of its rows.
        curve: quantity -> value per epoch; ``"epoch"`` is the x axis.
    """

    name: str
    row: Mapping[str, Any] = field(default_factory=dict)
    spread: Mapping[str, float] = field(default_factory=dict)
    scores: Sequence[float] = ()
    families: Mapping[str, float | None] = field(default_factory=dict)
    pairs: Mapping[str, float | None] = field(default_factory=dict)
    per_class: Mapping[str, float | None] = field(default_factory=dict)
    confusion: Sequence[Sequence[int]] | None = None
    classes: Sequence[str] = ()
    curve: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
