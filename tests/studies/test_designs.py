"""The study of all designs: which are order-blind by construction; frame-by-frame predictions equal those for clips."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from networks import randomise

from spatempo.data.generated.make import make_data
from spatempo.data.manifest import load_manifest
from spatempo.errors import SpatempoError
from spatempo.evaluation.scoring.evaluate import evaluate
from spatempo.evaluation.scoring.live import Live
from spatempo.learning.train import train
from spatempo.models.checkpoint import load
from spatempo.models.design import DESIGNS as CATALOGUE
from spatempo.models.registry import create_model, parse_name
from spatempo.studies.comparing import compare as compare_module
from spatempo.studies.designs import cases, designs, main, table
from spatempo.studies.marked import insert_between_marks

CAUSAL = sorted(name for name, design in CATALOGUE.items() if design.has_causal_form)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    make_data(folder, preset="tiny", workers=1)
    return folder


def test_every_design_is_in_the_study_and_causal_designs_in_causal_form():
    studied = [(parse_name(model)[0].name, options) for model, options in cases().values()]
    assert {name for name, _ in studied} == set(CATALOGUE)
    assert sorted(name for name, options in studied if options.get("causal")) == CAUSAL


@pytest.mark.parametrize("name", sorted(cases()))
@torch.no_grad()
def test_only_order_blind_designs_give_a_clip_and_its_reversal_the_same_scores(name):
    model, options = cases()[name]
    net = create_model(model, num_classes=4, frames=4, size=32, **options)
    randomise(net, size=32)
    clip = torch.randn(2, 3, 4, 32, 32, generator=torch.Generator().manual_seed(1))
    forwards, backwards = net(clip), net(clip.flip(2))
    apart = float((forwards - backwards).abs().max() / forwards.abs().max())
    if CATALOGUE[name.partition("-")[0]].order_blind:
        assert apart < 1e-5
        torch.testing.assert_close(net(clip[:, :, [2, 0, 3, 1]]), forwards, rtol=1e-5, atol=1e-5)  # any order at all
    else:
        assert apart > 1e-2


# --- live


@pytest.mark.parametrize("design", CAUSAL)
def test_accuracy_frame_by_frame_is_that_of_the_clips(design, data, tmp_path):
    small = {"recipe": "demo", "size": 32, "batch_size": 6, "epochs": 10, "lr": 0.01, "workers": 0, "quiet": True}
    run = train(
        data / "train.csv", model=f"{design}_smallresnet", options={"causal": True}, out=tmp_path / "r", **small
    )
    model = load(run.checkpoint)
    clips = load_manifest(data / "test.csv", classes=model.classes)
    offline, live = evaluate(model, clips), evaluate(Live(model), clips, batch_size=5)
    assert live.n == len(clips) == 12
    np.testing.assert_array_equal(live.predictions, offline.predictions)
    np.testing.assert_allclose(live.scores, offline.scores, rtol=0, atol=1e-4)
    assert (live.top1, live.per_class) == (offline.top1, offline.per_class)
    assert len(set(offline.predictions)) > 1  # the predictions differ between clips
    # order matters with these weights, so the comparison is meaningful: the two clips of a pair get different scores
    pairs = {sample.group: [] for sample in clips.samples if sample.pair}
    for sample, score in zip(clips.samples, offline.scores, strict=True):
        if sample.pair:
            pairs[sample.group].append(score)
    apart = max(float(np.abs(a - b).max()) for a, b in pairs.values())
    assert apart < 1e-4 if design == "tsn" else apart > 0.05


def test_a_model_that_needs_future_frames_cannot_be_tested_live(data):
    model = create_model("tsm_smallresnet", num_classes=6, size=32)
    with pytest.raises(
        SpatempoError, match="uses future frames, so it cannot run frame by frame: train it with `causal=True`"
    ):
        evaluate(Live(model), data / "test.csv")


# --- the command


def test_a_small_study(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(compare_module, "write_page", lambda path, *_, **__: path)
    small = {"preset": "tiny", "budget": "epochs=1", "size": 32, "workers": 0, "quiet": True}
    rows = designs(tmp_path, models=["tsm", "gsm-causal", "r2d"], **small)
    assert [row["name"] for row in rows] == ["tsm", "gsm-causal", "r2d"]
    assert rows[0]["live"] is None
    assert rows[2]["options"] == {"width": 16}
    live = rows[1]["live"]
    assert (live["n"], live["same"], live["top1"]) == (12, 12, rows[1]["top1"])
    assert live["within_pair"]["direction"] == rows[1]["families"]["direction"]["within_pair"]
    assert live["largest_difference"] < 1e-4
    text = (tmp_path / "table.md").read_text()
    assert text == table(rows)
    line = next(line for line in text.splitlines() if line.startswith("| gsm-causal"))
    assert "| `gsm_smallresnet`, causal=True |" in line
    assert "Live: 12 of 12 predictions" in text
    # a second call for one of the designs does not train again
    kept = (tmp_path / "r2d.json").read_bytes()
    assert designs(tmp_path, models=["r2d"], **small)[0]["seconds"] == rows[2]["seconds"]
    assert (tmp_path / "r2d.json").read_bytes() == kept


def test_the_table_is_written_into_a_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- one -->\nold\n<!-- end of one -->\nafter\n<!-- two --><!-- end of two -->\n")
    insert_between_marks(page, "one", "| new |\n")
    insert_between_marks(page, "one", "| newer |\n")
    insert_between_marks(page, "two", "| other |\n")
    one, two = "<!-- one -->\n| newer |\n<!-- end of one -->", "<!-- two -->\n| other |\n<!-- end of two -->"
    assert page.read_text() == f"before\n{one}\nafter\n{two}\n"


def test_invalid_arguments_fail_before_any_training(tmp_path, capsys):
    (tmp_path / "page.md").write_text("no marks")
    out = str(tmp_path / "out")
    for arguments, message in (
        (["--into", str(tmp_path / "page.md")], "has no marks for the table"),
        (["--into", str(tmp_path / "none.md")], "cannot be read"),
        (["--models", "tsm,tms"], "there is no design 'tms' in this study; choose from gsf,gsf-causal,"),
        (["--models", ","], "no design given"),
    ):
        assert main([*arguments, "--preset", "tiny", "--out", out]) == 2
        captured = capsys.readouterr()
        assert message in captured.err
        assert captured.err.splitlines()[-1].startswith("designs: error: ")


def test_importing_the_study_does_not_import_torch():
    code = "import sys, spatempo.studies.designs; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
