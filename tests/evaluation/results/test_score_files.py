"""Score files in parquet format."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from spatempo.errors import SpatempoError
from spatempo.evaluation.results.eval_result import EvalResult, measure
from spatempo.evaluation.results.fusion import fuse
from spatempo.evaluation.results.score_files import read_scores, save_scores


def example_result(paths: bool = True) -> EvalResult:
    scores = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    found = measure(
        scores,
        torch.tensor([0, 2, 1, 1, 0, 2, 2]),
        ["wave", "clap, twice", "größer"],
        indices=[0, 1, 2, 4, 5, 6, 9],
        clips=10,
        crops=3,
        average="softmax",
        unreadable=[{"path": "/x/b.mp4", "reason": "damaged"}],
    )
    found.paths = [f"/x/{k} ü.mp4" for k in range(7)] if paths else []
    return found


@pytest.mark.parametrize("paths", [True, False])
def test_reading_restores_the_written_result(tmp_path, paths):
    pytest.importorskip("pyarrow")
    result = example_result(paths)
    file = save_scores(result, tmp_path / "new folder" / "scores.parquet")
    again = read_scores(file)
    assert again.to_json() == result.to_json()
    assert (again.classes, again.paths) == (result.classes, result.paths)
    for name in ("scores", "labels", "indices"):
        assert np.array_equal(getattr(again, name), getattr(result, name))
        assert getattr(again, name).dtype == getattr(result, name).dtype
    assert np.array_equal(fuse(again, by="index").scores, fuse(result, by="index").scores)


def test_old_files_without_the_average_can_be_read(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    from spatempo.evaluation.results import score_files

    monkeypatch.setattr(score_files, "_METADATA", ("clips", "crops", "unreadable"))
    file = save_scores(example_result(), tmp_path / "s.parquet")
    monkeypatch.undo()
    assert read_scores(file).average == "logits"


def test_columns_of_the_table(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    result = example_result()
    rows = parquet.read_table(save_scores(result, tmp_path / "s.parquet")).to_pylist()
    assert rows[1]["label"] == "größer"
    assert rows[1]["prediction"] == result.classes[int(result.scores[1].argmax())]
    assert rows[1]["scores"] == pytest.approx(result.scores[1].tolist())
    assert (rows[6]["path"], rows[6]["index"]) == ("/x/6 ü.mp4", 9)


def test_files_that_are_not_score_files_are_rejected(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    (tmp_path / "text.parquet").write_text("not parquet")
    parquet.write_table(pyarrow.table({"path": ["a"]}), tmp_path / "other.parquet")
    for name in ("none.parquet", "text.parquet", "other.parquet"):
        with pytest.raises(SpatempoError, match=f"{name}: cannot be read as a score file") as error:
            read_scores(tmp_path / name)
        assert "\n" not in str(error.value)


def test_error_without_pyarrow_gives_the_installation_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SpatempoError, match="pip install pyarrow") as error:
        save_scores(example_result(), tmp_path / "s.parquet")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())
