"""The whole workflow on the command line: make, train, test, predict, resume, compare."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from spatempo.cli.fields import recipe_fields
from spatempo.cli.main import main
from spatempo.errors import SpatempoError
from spatempo.learning.train import TrainResult

SMALL = ("--size", 32, "--frames", 8, "--batch-size", 6, "--workers", 0)


def test_train_test_predict(document, data, tmp_path):
    out = tmp_path / "a run"
    words = ["train", data / "train.csv", "--val", data / "val.csv", "--model", "tsm_smallresnet", "--recipe", "demo"]
    words += [*SMALL, "--epochs", 1, "--option", "shift_div=4", "--set", "dropout=1/4", "--out", out]
    trained = document(*words)
    assert {"checkpoint", "epochs", "seconds", "top1", "top5"} <= trained.keys()
    assert trained["epochs"] == 1
    recipe = json.loads((out / "recipe.json").read_text(encoding="utf-8"))
    assert (recipe["name"], recipe["dropout"], recipe["size"], recipe["batch_size"]) == ("demo", 0.25, 32, 6)

    tested = document("test", trained["checkpoint"], data / "val.csv", "--workers", 0)
    assert tested["top1"] == pytest.approx(trained["top1"])  # both use the same function
    guess = document("predict", trained["checkpoint"], data / "videos" / "val" / "red_disc")[0]["predictions"][0]
    assert guess["label"] in tested["per_class"]

    assert document(*words, "--resume")["top1"] == trained["top1"]  # the run is already finished


def test_compare(document, capsys, data, tmp_path):
    out = tmp_path / "compared"
    words = ["compare", data, "--models", "tsn_smallresnet,tsm_smallresnet", "--budget", "epochs=1", "--recipe", "demo"]
    words += [*SMALL, "--out", out, "--option", "shift_div=4"]
    rows = document(*words)
    assert [row["name"] for row in rows] == ["tsn_smallresnet", "tsm_smallresnet"]
    assert {"name", "top1", "params", "macs", "latency_ms", "seconds", "report"} <= rows[0].keys()
    assert rows[0]["params"] == rows[1]["params"]
    assert rows[0]["latency_ms"] > 0
    assert rows[0]["n"] == 12  # the folder's own test.csv
    # a model that ignores frame order is at chance level within a pair of movements: exactly 1/2, even untrained
    assert rows[0]["families"]["direction"]["within_pair"] == 0.5
    assert rows[0]["pairs"]["right_left"]["within_pair"] == 0.5
    page = Path(rows[0]["report"]).read_text(encoding="utf-8")
    assert "tsm_smallresnet" in page
    assert "data:image/png" in page

    before = (out / "tsm_smallresnet" / "best" / "model.safetensors").stat().st_mtime_ns
    assert main([*map(str, words)]) == 0  # a second call reuses the results
    captured = capsys.readouterr()
    assert "direction (within the pair)" in captured.out
    assert f"report: {out / 'report.html'}" in captured.out
    assert captured.err.count("result read from") == 2
    assert (out / "tsm_smallresnet" / "best" / "model.safetensors").stat().st_mtime_ns == before

    assert main([*map(str, words), "--set", "dropout=0.3"]) == 2  # a different comparison cannot use this folder
    error = capsys.readouterr().err
    assert "dropout" in error
    assert str(out / "tsn_smallresnet.json") in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "tms_smallresnet"], "tsm_smallresnet"),
        (["--model", "tsm_smallresnet", "--recipe", "demmo"], "demmo"),
        (["--model", "tsm_smallresnet", "--option", "wings=2"], "wings"),
        (["--model", "tsm_smallresnet", "--set", "dropotu=0.1"], "dropout"),
        (["--model", "tsm_smallresnet", "--set", "epochs=3", "--epochs", "2"], "--epochs"),
        (["--model", "tsm_smallresnet", "--mean", "1,2"], "--mean 1,2"),
        (["--model", "tsm_smallresnet", "--weights", "none.pth"], "none.pth"),
        (["--model", "tsm_smallresnet", "--epochs", "0"], "epochs"),
        (["--model", "tsm_smallresnet", "--device", "warp"], "warp"),
        (["--model", "tsm_smallresnet", "--resume"], "out"),
        ([], "--model"),
    ],
)
def test_train_refuses_invalid_input(words, message, failure, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in failure("train", data / "train.csv", *words)
    assert not list(tmp_path.iterdir())  # nothing was written


def test_mean_and_std_take_commas_or_spaces(monkeypatch, data):
    given = []

    def train(source, **arguments):
        given.append((source, arguments["mean"], arguments["std"]))
        return TrainResult("out/best", 1, 1.0, None, None, [])

    monkeypatch.setattr("spatempo.learning.train.train", train)
    for mean in (["0.5,0.25,1"], ["0.5", "0.25", "1"]):
        assert main(["train", "--model", "tsm_resnet18", "--mean", *mean, "some.csv"]) == 0
    assert given == [("some.csv", (0.5, 0.25, 1.0), None)] * 2


def test_train_stops_at_an_unreadable_video(capsys, data, tmp_path):
    folder = tmp_path / "d"
    shutil.copytree(data / "videos" / "train", folder)
    broken = folder / "red_disc" / "a text.mp4"
    broken.write_text("this is not a video", encoding="utf-8")
    words = ["train", folder, "--model", "tsm_smallresnet", "--recipe", "demo", *SMALL, "--epochs", 1]
    assert main([*map(str, words), "--out", str(tmp_path / "run")]) == 2
    captured = capsys.readouterr()
    last = captured.err.splitlines()[-1]
    assert last.startswith("spatempo: error: ")
    assert str(broken) in captured.err
    assert "data scan" in last
    assert "Traceback" not in captured.err
    # with --max-unreadable training continues, and the video is still reported
    assert main([*map(str, words), "--out", str(tmp_path / "run2"), "--max-unreadable", "0.1"]) == 0
    assert str(broken) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--models", "tsn_smallresnet,tzm_smallresnet"], "tzm_smallresnet"),
        (["--models", ","], "no design"),
        (["--models", "tsn_smallresnet,tsn_smallresnet"], "twice"),
        (["--models", "tsn_smallresnet", "--budget", "hours=3"], "hours=3"),
        (["--models", "tsn_smallresnet", "--budget", "epochs=1.5"], "epochs=1.5"),
        (["--models", "tsn_smallresnet", "--option", "shift_div=4"], "shift_div"),
        (["--models", "tsn_smallresnet", "--set", "seed=4"], "--seeds"),
        (["--models", "tsn_smallresnet", "--protocol", "nonsense"], "nonsense"),
        (["--models", "tsn_smallresnet", "--seeds", "0"], "seeds"),
    ],
)
def test_compare_refuses_invalid_input(words, message, failure, data, tmp_path):
    assert message in failure("compare", data, *words, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_recipe_fields():
    assert recipe_fields({"lr": 0.1, "size": None, "freeze": False}, ["ema=0.9"]) == {"lr": 0.1, "ema": 0.9}
    with pytest.raises(SpatempoError, match="is set by --lr; use only --lr"):
        recipe_fields({"lr": 0.1}, ["lr=0.2"])
    with pytest.raises(SpatempoError, match="is set by --budget"):
        recipe_fields({}, ["epochs=2"], {"epochs": "--budget"})
    with pytest.raises(SpatempoError, match="unknown field of the recipe; did you mean momentum"):
        recipe_fields({}, ["momentun=0.2"])
