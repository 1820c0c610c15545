"""The command ``export``: its document, its text, and one line for each kind of wrong use."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from spatempo.cli.main import main
from spatempo.models.checkpoint import load, save_checkpoint
from spatempo.models.registry import create_model


@pytest.fixture(scope="module")
def exported(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    assert main(["export", str(checkpoint), str(path)]) == 0
    return path


def test_the_document_and_the_same_answers(document, checkpoint, data, tmp_path):
    path = tmp_path / "model.onnx"
    video = next((data / "videos" / "test").rglob("*.mp4"))
    found = document("export", checkpoint, path, "--video", video)
    assert {"path", "format", "max_abs_diff", "inputs", "outputs"} <= found.keys()
    assert (found["path"], found["format"], found["real_clips"]) == (str(path), "onnx", 1)
    assert found["inputs"] == {"clip": ["B", 3, "T", 32, 32]}
    before, after = (document("test", model, data / "test.csv", "--workers", 0) for model in (checkpoint, path))
    assert after["confusion"] == before["confusion"]
    assert after["top1"] == before["top1"]


def test_the_text(checkpoint, tmp_path, capsys):
    assert main(["export", str(checkpoint), str(tmp_path / "model.onnx")]) == 0
    out = capsys.readouterr().out
    assert "B x 3 x T x 32 x 32" in out
    assert "T is free from 2" in out
    assert "Largest difference to the model on 3 random clips: " in out


def test_wrong_use_is_one_line(failure, checkpoint, exported, data, tmp_path):
    assert "train it with `causal=True`" in failure("export", checkpoint, tmp_path / "x.onnx", "--streaming")
    assert "no such checkpoint" in failure("export", tmp_path / "nothing", tmp_path / "x.onnx")
    assert "needs a name that ends in .onnx" in failure("export", checkpoint, tmp_path / "x", "--format", "onnx")
    assert "x.mp4" in failure("export", checkpoint, tmp_path / "x.onnx", "--video", tmp_path / "x.mp4")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "other.onnx").write_bytes(b"not a model")
    assert "other.onnx" in failure("predict", tmp_path / "other.onnx", "clip.mp4")


def test_operators_without_a_faster_form_are_named(document, data, tmp_path, capsys):
    torch.manual_seed(0)
    model = create_model("tsm_smallresnet", num_classes=6, frames=4, size=32, non_local=True)
    folder = save_checkpoint(model, tmp_path / "best")
    assert main(["export", str(folder), str(tmp_path / "model.pt2")]) == 0
    assert "Operators exported as they are, without a faster form: 2 NonLocal." in capsys.readouterr().out
    assert load(folder).design == "tsm"
