"""Train, test and predict on folders of optical flow with the command line."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def flow_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A square moves to the left or to the right: the x component of its flow is below or above the middle, 128."""
    root = tmp_path_factory.mktemp("flow")
    rng = np.random.default_rng(0)
    for part, count in (("train", 8), ("val", 3)):
        for name, speed in (("to the left", -60), ("to the right", 60)):
            for clip in range(count):
                folder = root / part / name / f"clip {clip}"
                folder.mkdir(parents=True)
                top, left = rng.integers(0, 16, 2)
                for number in range(1, 9):
                    field = np.full((2, 32, 40), 128.0) + rng.normal(0, 4, (2, 32, 40))
                    field[0, top : top + 16, left : left + 16] += speed
                    for axis, image in zip("xy", field.clip(0, 255).astype(np.uint8), strict=True):
                        Image.fromarray(image).save(folder / f"flow_{axis}_{number:05d}.jpg", quality=95)
    return root


def test_train_test_and_predict_on_flow(document, failure, flow_data, data, tmp_path):
    out = tmp_path / "flow"
    words = ["train", flow_data / "train", "--val", flow_data / "val", "--model", "tsn_smallresnet", "--out", out]
    words += ["--option", "modality=flow", "--option", "stack=3", "--recipe", "demo", "--size", 24, "--frames", 2]
    words += ["--batch-size", 4, "--epochs", 6, "--workers", 0, "--set", "flip=labels", "--cache"]
    assert document(*words)["top1"] == 1.0  # needs correct mirroring: a mirrored "left" clip is a "right" clip
    again = [words[0], flow_data / "train", "--val", flow_data / "val", "--model", "tsn_smallresnet", "--out", out]
    assert document(*again, "--workers", 0, "--cache", "--resume")["epochs"] == 6  # other settings come from the run
    refused = failure(*again, "--workers", 0, "--resume", "--option", "modality=rgb", "--option", "stack=1")
    assert "modality" in refused
    tested = document("test", out / "best", flow_data / "val", "--workers", 0, "--clips", 2)
    assert tested["top1"] == 1.0
    clip = flow_data / "val" / "to the right" / "clip 0"
    assert document("predict", out / "best", clip)[0]["predictions"][0]["label"] == "to the right"

    video = next((data / "videos").rglob("*.mp4"))
    words = ["train", data / "train.csv", "--model", "tsn_smallresnet", "--option", "modality=flow"]
    assert "flow is read from a folder of flow_x_00001.jpg" in failure(*words, "--out", tmp_path / "videos")
    assert "extract it first" in document("predict", out / "best", video, code=2)[0]["error"]


def test_training_on_rgb_differences(document, data, tmp_path):
    words = ["train", data / "train.csv", "--val", data / "val.csv", "--model", "tsn_smallresnet", "--out", tmp_path]
    words += ["--option", "modality=rgbdiff", "--recipe", "demo", "--size", 24, "--frames", 2, "--epochs", 1]
    trained = document(*words, "--batch-size", 6, "--workers", 0)
    assert document("test", trained["checkpoint"], data / "val.csv", "--workers", 0)["top1"] == trained["top1"]


def test_two_streams_are_fused_from_score_files(document, checkpoint, data, tmp_path, monkeypatch, failure):
    pytest.importorskip("pyarrow")
    from spatempo.evaluation.results.fusion import fuse
    from spatempo.evaluation.results.score_files import read_scores

    words = ("test", checkpoint, data / "val.csv", "--workers", 0, "--scores")
    tested = document(*words, tmp_path / "one.parquet")
    assert tested["scores"] == str(tmp_path / "one.parquet")
    document(*words, tmp_path / "three.parquet", "--crops", 3)
    one, three = (read_scores(tmp_path / f"{name}.parquet") for name in ("one", "three"))
    assert {key: one.to_json()[key] for key in ("top1", "per_class", "n")} == {
        key: tested[key] for key in ("top1", "per_class", "n")
    }
    fused = fuse(one, three, on="logits")
    np.testing.assert_allclose(fused.scores, (one.scores + three.scores) / 2, rtol=1e-5, atol=1e-6)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install pyarrow" in failure(*words, tmp_path / "none.parquet")
