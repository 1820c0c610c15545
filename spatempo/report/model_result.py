"""What a page is told of one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class ModelResult:
    """What the page shows of one model. Only the name is needed; what is empty is left out.

    Attributes:
        name: short, as people say it.
        row: its line of the table, in any unit-free form: ``params``, ``macs`` (counts), ``top1``, ``top5``,
            ``mean_class``, ``shuffled`` (shares), ``dependence``, ``latency_ms``, ``seconds``; other keys are shown as
            they are.
        spread: key of the row -> standard deviation over the seeds.
        scores: share right of each seed, for the charts against cost.
        families: family -> share right (within the pair where there are pairs).
        pairs: pair -> share right within the pair.
        per_class: class -> share right.
        confusion: ``[truth][answer]``, counts.
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
