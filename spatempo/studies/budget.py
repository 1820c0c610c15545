"""What each design of a comparison may spend on training: passes over the data, or minutes."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from spatempo.errors import SpatempoError

_FORM = re.compile(r"\s*(?:(epochs|minutes)\s*=\s*)?([0-9]+(?:\.[0-9]+)?)\s*")


@dataclass(frozen=True)
class Budget:
    """Exactly one of the two is set.

    Attributes:
        epochs: passes over the training clips, the same for all.
        minutes: of training, the same for all; each design makes as many whole passes as it can in that time.
    """

    epochs: int | None = None
    minutes: float | None = None

    def __str__(self) -> str:
        return f"epochs={self.epochs}" if self.epochs is not None else f"minutes={self.minutes:g}"

    def epochs_at(self, seconds_per_epoch: float) -> int:
        """Whole passes this budget pays for, at least 1."""
        if self.epochs is not None:
            return self.epochs
        assert self.minutes is not None
        return max(1, math.floor(60 * self.minutes / seconds_per_epoch))


def parse_budget(text: str | int | Budget) -> Budget:
    """Reads ``"epochs=12"``, ``"minutes=5"`` or a plain number of epochs.

    >>> parse_budget("minutes=2.5").epochs_at(seconds_per_epoch=20)
    7

    Raises:
        SpatempoError: anything else, or a budget of nothing.
    """
    if isinstance(text, Budget):
        return text
    found = _FORM.fullmatch(str(text))
    if found and float(found[2]) > 0:
        if found[1] == "minutes":
            return Budget(minutes=float(found[2]))
        if float(found[2]).is_integer():
            return Budget(epochs=int(float(found[2])))
    raise SpatempoError(f"budget {text!r}: write epochs=N (a whole number), minutes=M or just a number of epochs")
