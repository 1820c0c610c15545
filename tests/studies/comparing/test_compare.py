"""Comparisons: training and test clips, budgets, the page, and how an interrupted comparison is continued."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import lightning as L
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatempo.data.generated.make import make_data
from spatempo.data.manifest import Manifest, Sample
from spatempo.errors import SpatempoError
from spatempo.studies.comparing import compare as compare_module
from spatempo.studies.comparing import strips
from spatempo.studies.comparing.budget import Budget, parse_budget
from spatempo.studies.comparing.compare import compare as compare_models
from spatempo.studies.comparing.page_content import headline, sentence, spread, versus
from spatempo.studies.comparing.parts import find_parts
from spatempo.studies.comparing.rows import mean_tree
from spatempo.studies.comparing.strips import choose_strips

SMALL = {"recipe": "demo", "size": 32, "frames": 8, "batch_size": 6, "workers": 0, "quiet": True}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    make_data(folder, preset="tiny", workers=1)
    return folder


# --- budget


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("epochs=12", Budget(epochs=12)),
        ("12", Budget(epochs=12)),
        (3, Budget(epochs=3)),
        (" minutes = 2.5 ", Budget(minutes=2.5)),
        (Budget(minutes=1), Budget(minutes=1)),
    ],
)
def test_budgets(text, budget):
    assert parse_budget(text) == budget
    assert parse_budget(str(budget)) == budget


@pytest.mark.parametrize("text", ["", "epochs", "epochs=", "epochs=0", "epochs=1.5", "minutes=-1", "hours=2", "2.5", 0])
def test_bad_budgets(text):
    with pytest.raises(SpatempoError, match="epochs=N"):
        parse_budget(text)


@given(st.floats(0.01, 100), st.floats(0.01, 1000))
def test_minutes_are_never_exceeded_except_by_the_first_epoch(minutes, seconds):
    epochs = Budget(minutes=minutes).epochs_at(seconds)
    assert epochs == 1 or epochs * seconds <= 60 * minutes
    assert (epochs + 1) * seconds > 60 * minutes * (1 - 1e-9)


# --- parts


def test_a_folder_of_generated_data_provides_all_three_parts(data):
    parts = find_parts(data)
    assert (len(parts.train), len(parts.val or ()), len(parts.test)) == (18, 6, 12)
    assert parts.test.classes == parts.train.classes
    assert "best epoch" in parts.note


def test_validation_clips_used_for_the_test_do_not_choose_the_epoch(data):
    parts = find_parts(data / "train.csv", val=str(data / "val.csv"))
    assert parts.val is None
    assert len(parts.test) == 6
    assert "last epoch" in parts.note


def test_without_test_data_a_fifth_is_used_and_groups_are_not_split(data):
    parts = find_parts(data / "train.csv")
    assert parts.val is None
    assert len(parts.train) + len(parts.test) == 18
    assert {sample.label for sample in parts.test.samples} == set(range(6))
    # a clip and its reversal contain the same frames, so both must be in the same part
    assert not {s.group for s in parts.train.samples} & {s.group for s in parts.test.samples}


def test_testing_on_training_clips_is_refused(data):
    with pytest.raises(SpatempoError, match=r"18 of its clips are also training clips.*move_right_00000"):
        find_parts(data / "train.csv", test=str(data / "train.csv"))


# --- numbers


def test_means_over_seeds():
    trees = [{"a": {"n": 4, "x": 0.5, "name": "p", "none": None}, "l": ["u"]} for _ in range(2)]
    trees[1]["a"]["x"] = 1.0
    assert mean_tree(trees) == {"a": {"n": 4, "x": 0.75, "name": "p", "none": None}, "l": ["u"]}
    assert mean_tree([{"x": None}, {"x": 1.0}]) == {"x": None}


def row(name: str, within_pair: float, top1: float = 0.5) -> dict:
    families = {
        "control": {"n": 400, "within_pair": None, "accuracy": 1.0},
        "direction": {"n": 100, "within_pair": within_pair, "accuracy": within_pair},
        "order": {"n": 20, "within_pair": 0.5, "accuracy": 0.5},
    }
    return {"name": name, "top1": top1, "n": 520, "families": families}


def test_the_summary_states_accuracy_and_verdict():
    rows = [row("tsn", 0.51), row("tsm", 0.97), row("half", 0.75)]
    assert headline(rows) == "direction"
    assert sentence(rows) == (
        "Accuracy in choosing between a movement and the same frames in reverse, on 100 videos: tsn 51 % (at chance "
        "level); tsm 97 % (sees the order of frames); half 75 %."
    )


def test_the_summary_groups_designs_with_the_same_verdict():
    rows = [row("tsn", 0.5), row("tsm", 0.97), row("fr2d", 0.5), row("sth", 0.9)]
    assert sentence(rows) == (
        "Accuracy in choosing between a movement and the same frames in reverse, on 100 videos: tsn 50 %, fr2d 50 % "
        "(at chance level); tsm 97 %, sth 90 % (sees the order of frames)."
    )


def test_the_summary_without_families():
    rows = [{"name": "a", "top1": 0.5, "n": 9}, {"name": "b", "top1": 0.75, "n": 9}]
    assert headline(rows) is None
    assert sentence(rows) == "Accuracy on 9 test videos: b 75.0 %, a 50.0 %."


def test_the_summary_of_many_designs_gives_the_range_of_accuracies():
    rows = [row(f"m{i}", 0.9 + i / 100) for i in range(7)] + [row("tsn", 0.5)]
    assert sentence(rows).endswith(
        "m0, m1, m2, m3, m4, m5, m6 90 to 96 % (sees the order of frames); tsn 50 % (at chance level)."
    )


def test_spread_over_seeds():
    runs = [
        {"top1": 0.5, "shuffled": 0.25, "families": {"direction": {"within_pair": 1.0}}},
        {"top1": 0.75, "shuffled": 0.25, "families": {"direction": {"within_pair": 0.5}}},
    ]
    found = spread({"shuffled": 0.25, "runs": runs}, "direction")
    root = (2 * 0.125**2) ** 0.5  # n - 1
    assert found == pytest.approx({"top1": root, "within_pair": 2 * root, "shuffled": 0, "drop_when_shuffled": root})
    assert set(spread({"shuffled": None, "runs": runs}, None)) == {"top1"}
    assert spread({"shuffled": 0.25, "runs": runs[:1]}, None) == {}


@pytest.mark.parametrize(
    ("results", "chosen"),
    [
        ({"a": (0.9, 0.4), "b": (0.5, 0), "c": (0.6, 0), "d": (0.8, 0.2)}, ("a", "c")),  # the best order-blind one
        ({"a": (0.9, 0.4), "b": (0.3, 0.1), "d": (0.8, 0.2)}, ("a", "b")),  # none is order-blind: the worst
        ({"still": (0.95, None), "a": (0.9, 0.4), "b": (0.99, 0)}, ("a", "b")),
        ({"still": (0.95, None), "a": (0.9, 0.4)}, ("a", "still")),
        ({"b": (0.5, 0), "c": (0.6, 0)}, None),  # no design sees order
        ({"a": (0.9, 0.4)}, None),
    ],
)
def test_designs_that_are_compared_class_by_class(results, chosen):
    rows = [{"name": name, "top1": top1, "drop_when_shuffled": drop} for name, (top1, drop) in results.items()]
    assert versus(rows, None) == chosen


# --- strips


def test_strips_are_videos_on_which_designs_disagree(monkeypatch, tmp_path):
    """Pairs p (clips and reversals 0-3) and q (4-5), and class 4 (video 6). The second design is wrong only on 6."""
    samples = [
        *(Sample(f"p{i}", i % 2, group=f"g{i // 2}", family="direction", pair="p") for i in range(4)),
        *(Sample(f"q{i}", 2 + i, group="h", family="order", pair="q") for i in range(2)),
        Sample("c0", 4, family="control"),
    ]
    manifest = Manifest("m", tmp_path, tuple(samples), ("a", "b", "c", "d", "e"))
    truth = [sample.label for sample in samples]
    indices = list(range(7))
    blind = {"answers": [0, 1, 0, 0, 2, 3, 4], "indices": indices, "top1": 0.8}
    seeing = {"answers": [*truth[:6], 0], "indices": indices, "top1": 0.9}

    class Frames:
        frames = 24

        def __init__(self, path, template=None):
            self.path = path

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def read(self, chosen, short_side):
            assert list(chosen) == [1, 4, 7, 10, 13, 16, 19, 22]  # centres of segments: floor(3 k + 1.5)
            return np.zeros((8, 4, 4, 3), np.uint8)

    monkeypatch.setattr(strips, "open_video", Frames)
    chosen = choose_strips(manifest, {"blind": blind, "seeing": seeing}, frames=8, max_strips=6)
    # first video 6 (one correct, one wrong), then the group of pair p on which they disagree, then the other pair
    assert [strip.truth for strip in chosen] == ["e", "a", "b", "c", "d"]
    disputed = next(strip for strip in chosen if strip.truth == "b")
    assert disputed.predictions == {"blind": "a", "seeing": "b"}
    assert {strip.truth: strip.predictions["seeing"] for strip in chosen}["e"] == "a"


# --- runs


class Interrupt(L.Callback):
    """Raises KeyboardInterrupt (Ctrl-C) in the middle of a training."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if batch_idx == 3:
            raise KeyboardInterrupt


def compare(*given, **settings) -> list[dict]:
    """The rows in the form that the command prints."""
    found = compare_models(*given, **settings)
    assert [one.to_json().get("families") for one in found] == [one.families for one in found]
    return [one.to_json() for one in found]


@pytest.fixture
def no_page(monkeypatch):
    """Does not draw the page, which takes seconds and is tested elsewhere."""
    monkeypatch.setattr(compare_module, "write_page", lambda path, *_, **__: path)


def test_an_interrupted_comparison_continues(data, tmp_path, no_page):
    models = {"n": "tsn_smallresnet", "m": "tsm_smallresnet"}
    uninterrupted = compare(data, models, budget=2, out=tmp_path / "uninterrupted", **SMALL)
    out = tmp_path / "interrupted"
    compare(data, {"n": "tsn_smallresnet"}, budget=2, out=out, **SMALL)
    finished = (out / "n.json").read_bytes()
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        compare(data, models, budget=2, out=out, callbacks=[Interrupt()], **SMALL)
    assert (out / "m" / "resume" / "state.pt").is_file()
    assert "result" not in json.loads((out / "m.json").read_text())
    again = compare(data, models, budget=2, out=out, **SMALL)
    assert (out / "n.json").read_bytes() == finished
    same = ("name", "top1", "top5", "params", "macs", "families", "pairs", "confusion", "epochs")
    assert [[r[key] for key in same] for r in again] == [[r[key] for key in same] for r in uninterrupted]
    weights = [folder / "m" / "best" / "model.safetensors" for folder in (tmp_path / "uninterrupted", out)]
    assert weights[0].stat().st_size == weights[1].stat().st_size


def test_minutes_seeds_and_a_moved_folder(data, tmp_path, no_page):
    out = tmp_path / "a"
    rows = compare(data, ["tsn_smallresnet"], budget="minutes=0.0001", seeds=2, out=out, cache=True, **SMALL)
    assert rows[0]["epochs"] == 1
    assert len(rows[0]["top1_seeds"]) == 2
    assert rows[0]["top1"] == pytest.approx(sum(rows[0]["top1_seeds"]) / 2)
    assert sum(map(sum, rows[0]["confusion"])) == 2 * 12
    assert sorted(entry.name for entry in out.iterdir()) == [  # trial and cache are removed
        *("tsn_smallresnet", "tsn_smallresnet-seed1", "tsn_smallresnet-seed1.json"),
        "tsn_smallresnet.json",
    ]
    for seed, run in enumerate(rows[0]["runs"]):
        folder = "tsn_smallresnet" + ("-seed1" if seed else "")
        kept = json.loads((out / f"{folder}.json").read_text())["result"]
        plain = {key: value for key, value in run.items() if key not in ("seed", "checkpoint")}
        assert plain == {key: kept[key] for key in plain}
        assert set(plain) == {"top1", "top5", "mean_class", "shuffled", "families", "pairs", "seconds"}
        assert (run["seed"], run["checkpoint"]) == (seed, str(out / folder / "best"))
        assert run["shuffled"] == run["top1"]  # TSN is order-blind: exactly the same
    assert (rows[0]["shuffled"], rows[0]["drop_when_shuffled"]) == (rows[0]["top1"], 0)
    shutil.move(out, tmp_path / "b")
    moved = compare(
        data, ["tsn_smallresnet"], budget="minutes=0.0001", seeds=2, out=tmp_path / "b", cache=True, **SMALL
    )
    assert moved[0]["checkpoint"] == str(tmp_path / "b" / "tsn_smallresnet" / "best")
    assert moved[0]["seconds"] == rows[0]["seconds"]  # no second training


def test_results_of_earlier_versions_are_completed(data, tmp_path, no_page):
    """A result without ``shuffled`` is completed once from its checkpoint. Comparisons can share a folder of runs."""
    runs = tmp_path / "runs"
    fresh = compare(data, {"m": "tsm_smallresnet"}, budget=2, out=tmp_path / "a", runs=runs, **SMALL)
    assert sorted(entry.name for entry in runs.iterdir()) == ["m", "m.json"]
    record = json.loads((runs / "m.json").read_text())
    shuffled = record["result"].pop("shuffled")
    (runs / "m.json").write_text(json.dumps(record))
    again = compare(data, {"m": "tsm_smallresnet"}, budget=2, out=tmp_path / "b", runs=runs, **SMALL)
    assert json.loads((runs / "m.json").read_text())["result"]["shuffled"] == shuffled
    assert again[0]["shuffled"] == fresh[0]["shuffled"] == shuffled
    assert again[0]["drop_when_shuffled"] == again[0]["top1"] - shuffled
    assert again[0]["runs"] == fresh[0]["runs"]
    assert (fresh[0]["report"], again[0]["report"]) == (
        str(tmp_path / "a" / "report.html"),
        str(tmp_path / "b" / "report.html"),
    )


def test_a_damaged_record_is_reported(data, tmp_path):
    (tmp_path / "tsn_smallresnet.json").write_text("{")
    with pytest.raises(SpatempoError, match=r"tsn_smallresnet\.json: is damaged"):
        compare(data, ["tsn_smallresnet"], budget=1, out=tmp_path, **SMALL)


# --- options of the designs


def test_options_of_one_design_and_of_all(data, tmp_path, monkeypatch):
    calls = {}

    class EnoughCallsError(Exception):
        """Ends the comparison before any training."""

    def result(self, parts):
        calls[self.folder.name] = (self.model, self.options)
        if len(calls) == 3:
            raise EnoughCallsError
        return {}

    monkeypatch.setattr(compare_module.Run, "result", result)
    models = {
        "tsm": "tsm_smallresnet",
        "live": ("tsm_smallresnet", {"causal": True, "shift_div": 4}),
        "p=1/8": ("sth_smallresnet", {"p": 0.125}),
    }
    with pytest.raises(EnoughCallsError):
        compare(data, models, options={"shift_div": 16}, out=tmp_path, **SMALL)
    assert calls == {
        "tsm": ("tsm_smallresnet", {"shift_div": 16}),
        "live": ("tsm_smallresnet", {"causal": True, "shift_div": 4}),  # its own option takes precedence
        "p-1-8": ("sth_smallresnet", {"p": 0.125}),  # has no such option; the folder name is valid everywhere
    }


@pytest.mark.parametrize(
    ("models", "options", "message"),
    [
        ({"a": "tsm_smallresnet", "b": ("tsn_smallresnet", {"shift_div": 4})}, {}, "no option 'shift_div'"),
        ({"a": "tsn_smallresnet", "b": ("tsm_smallresnet", {"shift_div": 1})}, {}, "shift_div must be a whole number"),
        ({"a": "tsn_smallresnet"}, {"p": 0.5}, "no compared design has an option 'p'"),
        ({"a/b": "tsn_smallresnet", "a:b": "tsm_smallresnet"}, {}, "two designs have the same name on disk"),
    ],
)
def test_invalid_options_fail_before_any_training(data, tmp_path, models, options, message):
    with pytest.raises(SpatempoError, match=message):
        compare(data, models, options=options, out=tmp_path / "out", **SMALL)
    assert not (tmp_path / "out").exists()


def test_the_command_line_gives_one_design_its_own_options(monkeypatch):
    from spatempo.cli import compare as command

    calls: list[dict] = []
    monkeypatch.setattr(compare_module, "compare", lambda data, models, **_: calls.append(models) or [])
    models = "tsn_resnet18, tsm_resnet18:causal=true:shift_div=4,sth_resnet18:p=1/8"
    assert command.run(command.Options("data", models)) == []
    assert calls[0] == {
        "tsn_resnet18": ("tsn_resnet18", {}),
        "tsm_resnet18:causal=true:shift_div=4": ("tsm_resnet18", {"causal": True, "shift_div": 4}),
        "sth_resnet18:p=1/8": ("sth_resnet18", {"p": 0.125}),
    }
    with pytest.raises(
        SpatempoError, match=r"tsm_resnet18,tsm_resnet18: tsm_resnet18 is named twice; list each model once"
    ):
        command.run(command.Options("data", "tsm_resnet18,tsm_resnet18"))
    with pytest.raises(SpatempoError, match=r"tsm_resnet18: causal: write .*NAME=VALUE"):
        command.run(command.Options("data", "tsm_resnet18:causal"))


# --- demo


def test_importing_the_demo_does_not_import_torch():
    """Processes that render and decode are spawned, and each imports the demo first."""
    code = "import sys, spatempo.studies.demo; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_demo_reports_errors_in_one_line(capsys, tmp_path):
    from spatempo.studies.demo import main

    assert main(["--preset", "none", "--out", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("demo: error: there is no preset 'none'")
    assert captured.err.count("\n") == 1


def test_demo(capsys, data, tmp_path, monkeypatch):
    """The whole demo on tiny data; `make demo` takes minutes."""
    from spatempo.studies import demo

    shutil.copytree(data, tmp_path / "d" / "data")
    small = {key: value for key, value in SMALL.items() if key != "recipe"}
    rows = demo.demo(tmp_path / "d", preset="tiny", budget="epochs=1", **small)
    demo.show(rows, tmp_path / "d" / "data")
    text = capsys.readouterr().out
    assert [r["name"] for r in rows] == ["tsn", "tsm"]
    for name in ("tsn", "tsm"):
        assert (tmp_path / "d" / name / "best" / "model.safetensors").is_file()
    assert Path(rows[0]["report"]).name == "report.html"
    assert sentence(rows) in text
    assert f"$ spatempo predict {tmp_path / 'd' / 'tsm' / 'best'}" in text
    assert rows[0]["families"]["direction"]["within_pair"] == 0.5  # exactly, by construction of TSN
