"""Validation on several processes equals that on one process bit for bit, even if the clips do not divide evenly."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spatempo.data.dataset import ClipDataset
from spatempo.data.manifest import load_manifest
from spatempo.evaluation.results.eval_result import EvalResult
from spatempo.evaluation.scoring.evaluate import evaluate
from spatempo.inputs.spec import Preprocess
from spatempo.learning.clips import Loading
from spatempo.learning.validate import validate


class Colour(nn.Module):
    """Scores that do not depend on the other clips in the batch."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        super().__init__()
        self.preprocess = Preprocess(frames=3, size=16, resize=20)
        self.classes = list(classes)

    def forward(self, clip: Tensor) -> Tensor:
        return torch.stack([one.mean((1, 2, 3)) for one in clip])


class _Gathered(Exception):
    """A process has passed its part to `all_gather_object`."""


def validate_on(data: ClipDataset, model: Any, world: int, monkeypatch: pytest.MonkeyPatch) -> list[EvalResult]:
    """Results of `world` simulated processes. Each runs twice: once up to the gathering, then with all parts."""
    gathered: list[Any] = []

    def all_gather(parts: list[Any], own: Any) -> None:
        if len(gathered) < world:
            gathered.append(own)
            raise _Gathered
        parts[:] = gathered

    def run(rank: int) -> EvalResult:
        own = Loading(0).val(data, rank, world)
        return validate(model, own, torch.device("cpu"), tuple(model.classes), each=lambda done, errors: None)

    fake_dist = SimpleNamespace(
        is_available=lambda: True,
        is_initialized=lambda: True,
        get_world_size=lambda: world,
        all_gather_object=all_gather,
    )
    monkeypatch.setattr(torch, "distributed", fake_dist)
    for rank in range(world):
        with suppress(_Gathered):
            run(rank)
    return [run(rank) for rank in range(world)]


@pytest.mark.parametrize("world", [2, 3, 8])
def test_uneven_parts_give_the_result_of_one_process(clips: Path, tmp_path: Path, monkeypatch, world: int) -> None:
    """Seven clips, the fifth is unreadable: 4 + 3, or 3 + 2 + 2, or one each and one process without clips."""
    rows = (clips / "val.csv").read_text(encoding="utf-8").splitlines()[:8]
    for row in rows[1:]:
        path = tmp_path / row.split(",")[0]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes((clips / row.split(",")[0]).read_bytes())
    (tmp_path / rows[5].split(",")[0]).write_text("no video")
    (tmp_path / "val.csv").write_text("\n".join(rows), encoding="utf-8")
    manifest = load_manifest(tmp_path / "val.csv")
    model = Colour(manifest.classes)
    data = ClipDataset(manifest, model.preprocess, train=False)
    single = evaluate(model, manifest)
    assert (single.n, len(single.unreadable)) == (6, 1)
    assert len({tuple(row) for row in single.scores.tolist()}) == 6
    for result in validate_on(data, model, world, monkeypatch):
        assert np.array_equal(result.scores, single.scores)
        assert result.indices.tolist() == single.indices.tolist() == [0, 1, 2, 3, 5, 6]
        assert result.to_json() == single.to_json()
