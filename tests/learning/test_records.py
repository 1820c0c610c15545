"""Selection of the best epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import nn

from spatempo.learning.records import Records


def best_of(*scores: tuple[float | None, float | None]) -> Any:
    """Number of the best epoch, given (top-1, loss) of each epoch. Writes no files, since `open` is not called."""
    records = Records(Path("nowhere"), {}, [], None)
    for epoch, (top1, loss) in enumerate(scores, 1):
        row = {"epoch": epoch, "step": epoch, "val_top1": top1, "val_loss": loss, "val_top5": top1}
        records.add(row, nn.Identity(), None)  # type: ignore[arg-type]
    assert len(records.history) == len(scores)
    assert not Path("nowhere").exists()
    return records.best and records.best["epoch"]


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([(0.5, 1.0), (0.7, 2.0), (0.6, 0.1)], 2),  # top-1 decides, not the loss
        ([(0.7, 2.0), (0.7, 1.5), (0.7, 1.8)], 2),  # with equal top-1, the lowest loss
        ([(0.7, 1.5), (0.7, 1.5)], 1),  # then the earliest
        ([(0.0, 3.0), (0.0, 2.0)], 2),
        ([(None, None), (None, None)], 2),  # without validation the last
    ],
)
def test_best(scores: list[tuple[float | None, float | None]], best: int) -> None:
    assert best_of(*scores) == best
