"""Tuning of the learning rate: which rates are tried and chosen, on which clips, and how a tuning is continued."""

from __future__ import annotations

import json
import math
import sys

import pytest

from spatempo.data.generated.make import make_data
from spatempo.errors import SpatempoError
from spatempo.learning.train import TrainResult
from spatempo.models.info import describe
from spatempo.studies.comparing import compare as compare_module
from spatempo.studies.comparing import run as run_module
from spatempo.studies.comparing.budget import Budget, parse_budget
from spatempo.studies.comparing.parts import find_parts
from spatempo.studies.comparing.run import Run
from spatempo.studies.comparing.tuning import RANGE, draw, tune_lr

pytest.importorskip("optuna", reason="needs Optuna: pip install optuna")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    make_data(folder, preset="tiny", workers=1)
    return folder


def a_run(folder, **settings) -> Run:
    given = {"recipe": "demo", "size": 32, "quiet": True, **settings}
    return Run(folder / "m", "tsm_smallresnet", {}, 0, Budget(epochs=8), None, "cpu", given)


@pytest.fixture
def trained(monkeypatch):
    """Replaces `train`: best at lr 0.01, diverges above 0.015. Returns the list of calls."""
    calls = []

    def train(clips, *, val, out, lr, epochs, **_):
        calls.append((lr, epochs, len(clips), len(val)))
        out.mkdir(parents=True)
        if lr > 0.015:
            raise SpatempoError("the loss is no longer a finite number: training diverged")
        top1 = max(0.0, 1 - abs(math.log10(lr / 0.01)) / 3)
        return TrainResult(str(out / "best"), epochs, 1.0, top1, 1.0, [])

    monkeypatch.setattr(run_module, "train", train)
    return calls


def test_the_best_rate_is_found_and_the_rate_of_the_recipe_is_tried_first(data, tmp_path, trained):
    parts = find_parts(data)
    lr = tune_lr(a_run(tmp_path), parts, 8)
    recipe_lr = a_run(tmp_path).recipe(parts).lr
    assert recipe_lr == 2e-3  # of the recipe "demo"
    assert trained[0] == (recipe_lr, 2, 18, 6)  # a quarter of 8 epochs; only training and validation clips
    assert len(trained) == 8
    assert all(recipe_lr / RANGE <= rate <= recipe_lr * RANGE for rate, *_ in trained)
    kept = json.loads((tmp_path / "m-tuning.json").read_text())
    best = max(kept["trials"], key=lambda trial: trial["top1"])
    assert lr == best["lr"]
    assert abs(math.log10(lr / 0.01)) < abs(math.log10(recipe_lr / 0.01))  # better than the rate of the recipe
    assert [trial["top1"] for trial in kept["trials"] if trial["lr"] > 0.015] == [0.0] * sum(
        rate > 0.015 for rate, *_ in trained
    )
    assert not (tmp_path / "m-trial").exists()


def test_an_interrupted_tuning_continues_with_the_same_rates(data, tmp_path, trained):
    parts = find_parts(data)
    uninterrupted = tune_lr(a_run(tmp_path / "a"), parts, 7)
    rates = [rate for rate, *_ in trained]
    trained.clear()
    (tmp_path / "b").mkdir()
    tune_lr(a_run(tmp_path / "b"), parts, 3)
    assert tune_lr(a_run(tmp_path / "b"), parts, 7) == uninterrupted
    assert [rate for rate, *_ in trained] == rates  # three, and then the other four
    assert tune_lr(a_run(tmp_path / "b"), parts, 7) == uninterrupted
    assert len(trained) == 7  # no trial was repeated
    with pytest.raises(SpatempoError, match=r"m-tuning\.json: was created with different settings"):
        tune_lr(a_run(tmp_path / "b", frames=4), parts, 7)
    (tmp_path / "b" / "m-tuning.json").write_text("{}")
    with pytest.raises(SpatempoError, match=r"m-tuning\.json: is damaged"):
        tune_lr(a_run(tmp_path / "b"), parts, 7)


def test_drawn_rates_differ_and_approach_the_best_rate():
    tried: list[dict[str, float]] = []
    for _ in range(24):
        lr = draw(tried, 1e-3)
        tried.append({"lr": lr, "top1": 1 - abs(math.log10(lr / 5e-3))})
    assert tried[0]["lr"] == 1e-3
    assert len({trial["lr"] for trial in tried}) > 20
    apart = [abs(math.log10(trial["lr"] / 5e-3)) for trial in tried]
    assert sum(apart[-8:]) / 8 < 0.5 * sum(apart[1:9]) / 8


def test_tuning_never_uses_the_test_clips(data, tmp_path):
    with pytest.raises(SpatempoError, match=r"tune needs validation clips.*give `val`"):
        compare_module.compare(data / "train.csv", ["tsm_smallresnet"], tune=2, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_error_without_optuna_says_how_to_install_it(data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(SpatempoError, match=r"tuning needs Optuna: pip install 'spatempo\[tune\]'"):
        compare_module.compare(data, ["tsm_smallresnet"], tune=2, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_every_seed_of_a_design_trains_with_the_rate_of_the_design(data, tmp_path, monkeypatch):
    calls = []

    class EnoughCallsError(Exception):
        """Ends the comparison before the page is written."""

    def result(self, parts):
        calls.append((self.folder.name, self.seed, self.settings["lr"]))
        if len(calls) == 4:
            raise EnoughCallsError
        return {}

    monkeypatch.setattr(Run, "result", result)
    monkeypatch.setattr(compare_module, "tune_lr", lambda run, parts, trials: {"a": 0.1, "b": 0.2}[run.folder.name])
    with pytest.raises(EnoughCallsError):
        compare_module.compare(
            data, {"a": "tsn_smallresnet", "b": "tsm_smallresnet"}, tune=3, seeds=2, out=tmp_path, recipe="demo"
        )
    assert calls == [("a", 0, 0.1), ("a-seed1", 1, 0.1), ("b", 0, 0.2), ("b-seed1", 1, 0.2)]


# --- a budget of multiply-accumulates


def test_a_budget_of_macs_pays_for_passes(data, tmp_path):
    parts = find_parts(data)
    run = a_run(tmp_path)
    one = describe("tsm_smallresnet", frames=8, size=32, num_classes=6).macs
    for budget, epochs in ((one * 18 * 3, 3), (one * 18 * 4 - 1, 3), (1.0, 1)):
        found = Run(run.folder, run.model, {}, 0, Budget(macs=budget), None, "cpu", run.settings).epochs(parts)
        assert found == epochs


@pytest.mark.parametrize(
    ("text", "macs", "written"),
    [
        ("macs=2T", 2e12, "macs=2T"),
        ("macs = 1.5 P", 1.5e15, "macs=1.5P"),
        ("macs=300G", 3e11, "macs=300G"),
        ("macs=2000G", 2e12, "macs=2T"),
        ("macs=500", 500.0, "macs=500"),
    ],
)
def test_budgets_of_macs(text, macs, written):
    budget = parse_budget(text)
    assert budget == Budget(macs=macs)
    assert str(budget) == written
    assert parse_budget(written) == budget


@pytest.mark.parametrize("text", ["macs=0T", "macs=T", "macs=2X", "epochs=2T", "minutes=2G", "2T"])
def test_bad_budgets_of_macs(text):
    with pytest.raises(SpatempoError, match="macs=X with a G, T or P"):
        parse_budget(text)
