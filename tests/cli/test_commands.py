"""Each command: its JSON keys, its text output, and its messages for invalid input."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from spatempo.cli.main import main
from spatempo.cli.predict import expand
from spatempo.errors import SpatempoError

SHARED = Path(__file__).resolve().parents[2].parent / "shared"


def video(data: Path, label: str = "move_left", number: int = 0) -> Path:
    return data / "videos" / "test" / label / f"{label}_{number:05d}.mp4"


# --- models, info, doctor


def test_models_keys(document):
    rows = document("models", "ts[nm]_resnet18")
    assert [row["name"] for row in rows] == ["tsm_resnet18", "tsn_resnet18"]
    assert {"name", "operator", "backbone", "causal", "params", "macs", "source"} <= rows[0].keys()
    assert rows[0]["params"] == rows[1]["params"]  # a shift has no parameters


def test_models_lists_which_models_have_a_causal_form(document):
    assert {row["name"]: row["causal"] for row in document("models", "tsm_resnet50*")} == {
        "tsm_resnet50": True,
        "tsm_resnet50_nl": False,
    }


def test_models_suggests_similar_names(failure):
    assert "tsm_resnet" in failure("models", "tms_resnet50")


def test_info_keys_and_the_published_figures(document):
    facts = document("info", "tsm_resnet50", "--classes", 174)
    keys = ("name", "params", "macs", "frames", "size", "classes", "temporal_receptive_field", "causal", "published")
    assert set(keys) <= facts.keys()
    assert facts["params"] == 23_864_558
    assert facts["macs"] == pytest.approx(32.70e9, rel=1e-4)
    assert (facts["frames"], facts["size"], facts["classes"]) == (8, 224, 174)
    assert {"params", "macs", "note"} <= facts["published"].keys()
    assert facts["published"]["classes"] == 174  # of the requested network, not of the first in the table


def test_info_without_published_figures(document):
    published = document("info", "tsm_smallresnet", "--size", 48)["published"]
    assert published["params"] is None
    assert "no published" in published["note"]


def test_info_takes_options(document):
    facts = document("info", "tsm_smallresnet", "--size", 32, "--option", "causal=true", "--option", "shift_div=4")
    assert facts["causal"] is True
    assert facts["options"]["shift_div"] == 4


def test_info_compares_published_macs_with_products(document, capsys):
    facts = document("info", "tsm_resnet50_nl", "--classes", 174)
    assert (facts["params"], facts["options"]["non_local"]) == (31_223_022, True)
    assert [round(facts[key] / 1e9, 2) for key in ("macs", "macs_with_products")] == [49.14, 61.1]
    assert main(["info", "tsm_resnet50", "--option", "non_local=true"]) == 0
    text = capsys.readouterr().out
    assert "published MACs with products 61.30G, ours 61.10G (-0.3%)" in text
    assert "whole clip frames" not in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tms_resnet50"], "tsm_resnet50"),
        (["tsm_smallresnet", "--option", "nonsense=1"], "nonsense"),
        (["tsm_smallresnet", "--option", "shift_div"], "NAME=VALUE"),
        (["tsm_smallresnet", "--option", "frames=3"], "--frames"),
        (["tsm_smallresnet", "--frames", "0"], "--frames 0"),
        (["tsm_smallresnet", "--size", "-5"], "--size -5"),
    ],
)
def test_info_refuses_invalid_input(words, message, failure):
    assert message in failure("info", *words)


def test_info_text_output(capsys):
    assert main(["info", "tsm_resnet50"]) == 0
    text = capsys.readouterr().out
    assert "24,327,632" in text
    assert "2048 x 8 x 7 x 7" in text
    assert "published params 24.30M, ours 24.33M (+0.1%)" in text


def test_doctor(document):
    found = document("doctor")
    assert {"python", "torch", "decoders", "devices", "problems"} <= found.keys()
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["devices"]["cpu"]["works"] is True
    assert found["decoders"]["pyav"]["works"] is True
    assert found["encoders"]["libx264"]["works"] is True
    assert all({"component", "reason", "fix"} <= problem.keys() for problem in found["problems"])


def test_doctor_prints_each_problem_with_its_fix(capsys):
    from spatempo.cli import doctor

    problem = {"component": "decoder pyav", "reason": "not found", "fix": "pip install av"}
    groups = {group: {} for group in ("packages", "decoders", "encoders", "devices", "engines", "machine", "extras")}
    doctor.show({"spatempo": "1", "python": "3", "torch": None, "torchvision": None, **groups, "problems": [problem]})
    assert "problem: decoder pyav: not found\n   fix: pip install av\n" in capsys.readouterr().out


# --- data


def test_data_make(document, tmp_path):
    made = document("data", "make", tmp_path / "d", "--preset", "tiny", "--workers", 1)
    assert {"root", "classes", "train", "val", "test"} <= made.keys()
    assert Path(made["train"]).is_file()
    assert made["rendered"] == 36
    assert document("data", "make", tmp_path / "d", "--preset", "tiny")["rendered"] == 0


def test_data_make_refuses_invalid_input(failure, tmp_path):
    assert "demo" in failure("data", "make", tmp_path / "d", "--preset", "dmeo")
    (tmp_path / "mine.txt").write_text("precious")
    assert str(tmp_path) in failure("data", "make", tmp_path, "--preset", "tiny")


def test_data_scan_lists_unreadable_files(document, data, tmp_path):
    shutil.copytree(data / "videos" / "test", tmp_path / "clips")
    fake = tmp_path / "clips" / "move_left" / "a text.mp4"
    fake.write_text("this is not a video")
    found = document("data", "scan", tmp_path / "clips", "--out", tmp_path / "clips.csv", "--workers", 1)
    assert (found["clips"], found["readable"]) == (13, 12)
    assert [entry["path"] for entry in found["unreadable"]] == [str(fake)]
    assert found["unreadable"][0]["reason"]
    assert Path(found["manifest"]).read_text(encoding="utf-8").count("\n") == 13


def test_data_scan_text_output(capsys, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.mp4").write_text("text")
    assert main(["data", "scan", str(tmp_path), "--workers", "1"]) == 0
    text = capsys.readouterr().out
    assert "0 of 1 clips can be read" in text
    assert f"{tmp_path / 'a' / 'x.mp4'}: " in text


def test_data_scan_of_an_empty_folder(failure, tmp_path):
    (tmp_path / "empty").mkdir()
    assert str(tmp_path / "empty") in failure("data", "scan", tmp_path / "empty")


@pytest.mark.skipif(not (SHARED / "data" / "codec_cases").is_dir(), reason="needs ../shared/data/codec_cases")
def test_every_difficult_file_is_read_or_listed(document):
    found = document("data", "scan", SHARED / "data" / "codec_cases", "--workers", 1)
    assert found["readable"] + len(found["unreadable"]) == found["clips"] >= 12
    assert all(entry["reason"] for entry in found["unreadable"])


# --- test


def test_test_keys(document, checkpoint, data):
    found = document("test", checkpoint, data / "test.csv", "--workers", 0)
    keys = {"top1", "top5", "mean_class", "per_class", "confusion", "n", "clips", "crops", "unreadable"}
    assert keys <= found.keys()
    assert (found["n"], found["clips"], found["crops"]) == (12, 1, 1)
    correct = sum(found["confusion"][k][k] for k in range(6))
    assert found["top1"] == pytest.approx(correct / 12)
    assert sum(map(sum, found["confusion"])) == 12
    assert list(found["families"]) == ["direction", "order", "control"]
    assert found["families"]["control"]["within_pair"] is None
    assert set(found["pairs"]) == {"right_left", "pop"}


def test_test_with_a_protocol_or_views(document, checkpoint, data):
    by_name = document("test", checkpoint, data / "val.csv", "--protocol", "ucf-hmdb", "--workers", 0)
    by_count = document("test", checkpoint, data / "val.csv", "--clips", 3, "--crops", 3, "--workers", 0)
    assert (by_name["clips"], by_name["crops"]) == (2, 3)
    assert (by_count["clips"], by_count["crops"]) == (3, 3)
    assert by_name["average"] == "logits"
    averaged = document("test", checkpoint, data / "val.csv", "--protocol", "r2plus1d", "--workers", 0)
    assert (averaged["clips"], averaged["crops"], averaged["average"]) == (10, 1, "softmax")


def test_test_text_output(capsys, checkpoint, data, tmp_path):
    shutil.copytree(data, tmp_path / "d")
    broken = video(tmp_path / "d")
    broken.write_bytes(b"")
    assert main(["test", str(checkpoint), str(tmp_path / "d" / "test.csv"), "--workers", "0"]) == 0
    text = capsys.readouterr().out
    assert "top-1" in text
    assert "(11 videos, 1 clip x 1 crop)" in text
    assert "1 video cannot be read:" in text
    assert str(broken) in text
    assert main(["test", str(checkpoint), str(tmp_path / "d" / "test.csv"), "--workers", "0", "--clips", "2"]) == 0
    assert "(11 videos, 2 clips x 1 crop, logits averaged)" in capsys.readouterr().out


@pytest.fixture(scope="module")
def another(data, tmp_path_factory) -> Path:
    """A checkpoint with the same classes for clips of 3 frames of 24 pixels."""
    import torch

    from spatempo.data.manifest import load_manifest
    from spatempo.models.checkpoint import save_checkpoint
    from spatempo.models.registry import create_model

    torch.manual_seed(1)
    model = create_model("tsn_smallresnet", num_classes=6, frames=3, size=24)
    model.classes = list(load_manifest(data / "train.csv").classes)
    return save_checkpoint(model, tmp_path_factory.mktemp("another") / "best")


def test_test_with_an_ensemble(capsys, document, checkpoint, another, data, tmp_path):
    pytest.importorskip("pyarrow")
    from spatempo.evaluation.results.fusion import fuse
    from spatempo.evaluation.results.score_files import read_scores

    words = (data / "test.csv", "--workers", 0, "--clips", 2)
    files = [tmp_path / f"{name}.parquet" for name in ("both", "one", "two")]
    checkpoints = (checkpoint, another)
    both = document("test", checkpoint, *words, "--ensemble", another, "--scores", files[0])
    single = [
        document("test", each, *words, "--scores", file) for each, file in zip(checkpoints, files[1:], strict=True)
    ]
    own = [{"checkpoint": str(each), "top1": found["top1"]} for each, found in zip(checkpoints, single, strict=True)]
    assert both["members"] == own
    fused = fuse(*map(read_scores, files[1:]), on="logits")
    assert (read_scores(files[0]).scores == fused.scores).all()
    assert {key: both[key] for key in fused.to_json()} == json.loads(json.dumps(fused.to_json()))
    assert set(single[0]) | {"members"} == set(both)
    three = document("test", checkpoint, *words, "--ensemble", another, "--ensemble", checkpoint)
    assert [row["checkpoint"] for row in three["members"]] == [str(checkpoint), str(another), str(checkpoint)]
    assert main([*map(str, ("test", checkpoint, *words, "--ensemble", another))]) == 0
    assert str(another) in capsys.readouterr().out


def test_test_refuses_an_ensemble_of_other_classes(failure, checkpoint, data, tmp_path):
    from spatempo.models.checkpoint import save_checkpoint
    from spatempo.models.registry import create_model

    model = create_model("tsn_smallresnet", num_classes=2, frames=2, size=24)
    model.classes = ["wave", "clap"]
    other = save_checkpoint(model, tmp_path / "other")
    message = failure("test", checkpoint, data / "test.csv", "--ensemble", other)
    assert f"--ensemble {other}: its classes, or their order, differ from those of {checkpoint}" in message
    assert "no/such" in failure("test", checkpoint, data / "test.csv", "--ensemble", "no/such")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_test_refuses_invalid_input(failure, checkpoint, data, tmp_path):
    table = data / "test.csv"
    assert "unknown-thing" in failure("test", checkpoint, table, "--protocol", "unknown-thing")
    assert "--clips" in failure("test", checkpoint, table, "--protocol", "ucf-hmdb", "--clips", 2)
    assert "no/such" in failure("test", "no/such", table)
    assert str(tmp_path / "none.csv") in failure("test", checkpoint, tmp_path / "none.csv")
    row = write(tmp_path / "row.csv", "path,label\na.mp4,move_left,too,many\n")
    assert "row.csv:2" in failure("test", checkpoint, row)
    out = write(tmp_path / "out.csv", "path,label\n../outside.mp4,move_left\n")
    assert "../outside.mp4" in failure("test", checkpoint, out)
    label = write(tmp_path / "label.csv", "path,label\na.mp4,moonwalk\n")
    assert "moonwalk" in failure("test", checkpoint, label)
    assert "warp" in failure("test", checkpoint, table, "--device", "warp")


class Bomb:
    """Object that runs code when it is unpickled."""

    def __reduce__(self):
        return (Path("exploded").touch, ())


def test_a_pickle_is_not_loaded_as_a_checkpoint(failure, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bomb = tmp_path / "bomb" / "model.safetensors"
    bomb.parent.mkdir()
    bomb.write_bytes(pickle.dumps(Bomb()))
    for given in (bomb, bomb.parent):
        assert str(bomb) in failure("predict", given, video(data))
    assert not Path("exploded").exists()


# --- predict


def test_predict_keys(document, checkpoint, data):
    rows = document("predict", checkpoint, video(data), "--top", 3)
    assert [row["video"] for row in rows] == [str(video(data))]
    guesses = rows[0]["predictions"]
    assert len(guesses) == 3
    assert set(guesses[0]) == {"label", "score"}
    scores = [guess["score"] for guess in guesses]
    assert scores == sorted(scores, reverse=True)
    everything = document("predict", checkpoint, video(data), "--top", 99)[0]["predictions"]
    assert sum(guess["score"] for guess in everything) == pytest.approx(1)


def test_predict_agrees_with_test(document, checkpoint, data):
    found = document("test", checkpoint, data / "test.csv", "--workers", 0)
    rows = document("predict", checkpoint, data / "videos" / "test", "--top", 1)
    correct = sum(row["predictions"][0]["label"] == Path(row["video"]).parent.name for row in rows)
    assert len(rows) == found["n"]
    assert correct / len(rows) == pytest.approx(found["top1"])


def test_other_videos_are_labelled_if_one_is_unreadable(document, capsys, checkpoint, data, tmp_path):
    fake = write(tmp_path / "text.mp4", "not a video")
    words = ("predict", checkpoint, video(data), fake, video(data, "red_disc"))
    rows = document(*words, code=2)
    assert [len(row["predictions"]) for row in rows] == [5, 0, 5]
    assert rows[1]["error"]
    assert "error" not in rows[0]
    assert main([*map(str, words)]) == 2
    captured = capsys.readouterr()
    assert "red_disc_00000.mp4" in captured.out
    assert f"{fake}" in captured.out
    assert captured.err.count("\n") == 1
    assert "1 of 3 videos" in captured.err


def test_expand(data, tmp_path):
    assert expand("rtsp://camera/1") == ["rtsp://camera/1"]
    assert expand("missing.mp4") == ["missing.mp4"]
    folder = data / "videos" / "test" / "move_left"
    assert expand(str(folder)) == [str(video(data, number=number)) for number in (0, 1)]
    frames = tmp_path / "frames"
    frames.mkdir()
    (frames / "img_00001.jpg").write_bytes(b"")
    assert expand(str(frames)) == [str(frames)]
    (tmp_path / "empty").mkdir()
    with pytest.raises(SpatempoError, match="empty"):
        expand(str(tmp_path / "empty"))


def test_predict_refuses_invalid_input(failure, checkpoint, data, tmp_path):
    assert "VIDEO" in failure("predict", checkpoint)
    assert "--top 0" in failure("predict", checkpoint, video(data), "--top", 0)
    assert "no/such" in failure("predict", "no/such", video(data))
    (tmp_path / "empty").mkdir()
    assert str(tmp_path / "empty") in failure("predict", checkpoint, tmp_path / "empty")


@pytest.mark.skipif(not (SHARED / "data" / "clips").is_dir(), reason="needs ../shared/data/clips")
def test_predict_on_real_clips(document, checkpoint):
    rows = document("predict", checkpoint, SHARED / "data" / "clips" / "torchvision")
    assert len(rows) == 6
    assert all(row["predictions"] for row in rows)


def test_a_real_process(checkpoint, data):
    words = [sys.executable, "-m", "spatempo", "predict", str(checkpoint), str(video(data)), "--json"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0
    assert json.loads(done.stdout)[0]["predictions"]
    assert done.stderr == ""
