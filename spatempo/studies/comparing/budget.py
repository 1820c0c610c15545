"""Training budget per design of a comparison: passes over the data, minutes, or multiply-accumulates."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from spatempo.errors import SpatempoError
from spatempo.limits import LIMITS

_SUFFIXES = {"": 1.0, "G": 1e9, "T": 1e12, "P": 1e15}
_FORM = re.compile(r"\s*(?:(epochs|minutes|macs)\s*=\s*)?([0-9]+(?:\.[0-9]+)?)\s*([GTP]?)\s*")


@dataclass(frozen=True)
class Budget:
    """Training budget. Exactly one of the three attributes is set.

    Attributes:
        epochs: passes over the training clips.
        minutes: training time; each design makes as many whole passes as fit into it.
        macs: multiply-accumulates of training. One pass costs those of one view times the number of training clips.
            Only forward passes count: for every design, backward passes cost about twice as much in addition.
            Validation is not counted.
    """

    epochs: int | None = None
    minutes: float | None = None
    macs: float | None = None

    def __str__(self) -> str:
        if self.epochs is not None:
            return f"epochs={self.epochs}"
        if self.macs is None:
            return f"minutes={self.minutes:g}"
        suffix = max((s for s in _SUFFIXES if self.macs >= _SUFFIXES[s]), key=lambda s: _SUFFIXES[s], default="")
        return f"macs={self.macs / _SUFFIXES[suffix]:g}{suffix}"

    def epochs_at(self, cost_per_epoch: float) -> int:
        """Number of whole passes that this budget pays for, at least 1.

        Args:
            cost_per_epoch: cost of one pass, in seconds (budget in minutes) or multiply-accumulates (budget in MACs).
        """
        if self.epochs is not None:
            return self.epochs
        total = self.macs if self.minutes is None else 60 * self.minutes
        assert total is not None
        return max(1, math.floor(total / cost_per_epoch))


def parse_budget(text: str | int | Budget) -> Budget:
    """Reads ``"epochs=12"``, ``"minutes=5"``, ``"macs=2T"`` (G, T, P: 1e9, 1e12, 1e15) or a plain number of epochs.

    >>> parse_budget("minutes=2.5").epochs_at(20)
    7
    >>> parse_budget("macs=2T").epochs_at(0.39e9 * 1600)
    3

    Raises:
        SpatempoError: any other text, or a budget of zero.
    """
    if isinstance(text, Budget):
        return text
    found = _FORM.fullmatch(str(text))
    if found and float(found[2]) > 0:
        if found[1] == "macs":
            return Budget(macs=float(found[2]) * _SUFFIXES[found[3]])
        if not found[3]:
            if found[1] == "minutes":
                _check("minutes", float(found[2]), text)
                return Budget(minutes=float(found[2]))
            if float(found[2]).is_integer():
                _check("epochs", int(float(found[2])), text)
                return Budget(epochs=int(float(found[2])))
    raise SpatempoError(
        f"budget {text!r}: write epochs=N (a whole number), minutes=M, macs=X with a G, T or P after the number "
        "(MACs of the forward passes in training), or a number of epochs"
    )


def _check(name: str, value: float, text: object) -> None:
    if not LIMITS[name].allows(value):
        raise SpatempoError(f"budget {text!r}: {name} must be {LIMITS[name]}")
