"""``spatempo diagnose``: JSON document, text output, and errors on one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from spatempo.cli.main import main
from spatempo.data.manifest import load_manifest
from spatempo.models.checkpoint import save_checkpoint
from spatempo.models.registry import create_model


def test_json_document(document, data, checkpoint, tmp_path):
    found = document("diagnose", checkpoint, data / "test.csv", "--out", tmp_path / "page", "--workers", 0)
    assert {"ordered", "shuffled", "reversed", "frozen", "per_class", "by_frames", "report"} <= found.keys()
    assert all(0 <= found[key] <= 1 for key in ("ordered", "shuffled", "reversed", "frozen"))
    assert (found["n"], len(found["per_class"]), len(found["shuffled_runs"])) == (12, 6, 5)
    assert [row["frames"] for row in found["by_frames"]] == [1, 2, 4, 8]
    row = next(iter(found["per_class"].values()))
    assert {"n", "ordered", "shuffled", "reversed", "frozen", "ordered_interval", "p_value"} <= row.keys()
    tested = document("test", checkpoint, data / "test.csv", "--workers", 0)
    assert found["ordered"] == pytest.approx(tested["top1"])
    assert {name: row["ordered"] for name, row in found["per_class"].items()} == tested["per_class"]
    assert Path(found["report"]) == tmp_path / "page" / "report.html"
    assert "tsm_smallresnet" in Path(found["report"]).read_text(encoding="utf-8")


def test_text_output(capsys, data, checkpoint, tmp_path):
    words = ["diagnose", str(checkpoint), str(data / "test.csv"), "--out", str(tmp_path), "--workers", "0"]
    assert main(words) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("tsm_smallresnet: ")
    for heading in ("accuracy", "in order", "class", "frames", f"report: {tmp_path / 'report.html'}"):
        assert heading in captured.out
    assert "12/12 videos" in captured.err


@pytest.mark.parametrize(
    ("design", "heads"),
    [
        ("sth", ["attention", "temporal branch", "one branch > 95%"]),
        ("gsf", ["gates", "open", "above 0.9", "fusion weight"]),
    ],
)
def test_attention_and_gates_are_printed(capsys, data, tmp_path, design, heads):
    classes = list(load_manifest(data / "test.csv").classes)
    model = create_model(f"{design}_smallresnet", num_classes=len(classes), frames=2, size=16)
    model.classes = classes
    folder = save_checkpoint(model, tmp_path / "best")
    assert main(["diagnose", str(folder), str(data / "test.csv"), "--out", str(tmp_path), "--workers", "0"]) == 0
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if line.split()[:1] == heads[:1]]
    assert line.split() == " ".join(heads).split()
    rows = {line.split()[0]: line.split()[1:] for line in out[out.index(line) :].splitlines() if line.strip()}
    if design == "sth":
        assert rows["layer1"] == rows["all"] == ["50.0%", "0.0%"]  # the values at initialisation
    else:
        assert {"layer1.0.conv2", "layer3.1.conv2", "all"} <= rows.keys()


def test_invalid_input_is_refused(failure, data, checkpoint, tmp_path):
    assert "no such checkpoint" in failure("diagnose", tmp_path / "none", data / "test.csv")
    assert "no such file" in failure("diagnose", checkpoint, tmp_path / "none.csv")
    given = ("--out", tmp_path / "out", "--workers", 0)
    assert "order" in failure("diagnose", checkpoint, data / "test.csv", "--against", checkpoint, *given)
    assert not (tmp_path / "out").exists()
