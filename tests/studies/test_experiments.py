"""Experiments: their definitions are consistent, verdicts follow from the numbers, runs are shared and reused."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from networks import randomise

from spatempo.data.generated.presets import PRESETS
from spatempo.models.checkpoint import load
from spatempo.models.registry import create_model
from spatempo.studies.claims.experiment import Arm, Claim, Experiment, run_experiment
from spatempo.studies.claims.experiment_words import (
    accuracies,
    attention_sentences,
    attention_table,
    report,
    spread,
    table,
    verdict,
    verdicts,
)
from spatempo.studies.comparing import run as run_module
from spatempo.studies.experiments import EXPERIMENTS, main

# --- the definitions


@pytest.mark.parametrize("name", list(EXPERIMENTS))
def test_definition_of_an_experiment_is_consistent(name):
    experiment = EXPERIMENTS[name]
    assert set(experiment.tasks) <= set(PRESETS)
    for task in experiment.tasks:  # one family per task, so that one number rates an arm
        preset = PRESETS[task]
        assert bool(preset.pairs) != bool(preset.controls)
    for claim in experiment.claims:
        assert claim.better in experiment.arms
        assert claim.worse in experiment.arms
        assert claim.better != claim.worse
        assert claim.task is None or claim.task in experiment.tasks
    for arm in experiment.arms.values():
        assert arm.start is None or arm.start in experiment.arms
        with torch.device("meta"):
            create_model(arm.model, num_classes=8, frames=arm.frames, **arm.options)


def test_same_name_means_same_arm_in_all_experiments():
    seen: dict[str, Arm] = {}
    for experiment in EXPERIMENTS.values():
        for short, arm in experiment.arms.items():
            assert seen.setdefault(short, arm) == arm


def test_five_designs_and_tsn_are_trained_on_both_tasks():
    assert {arm.model.partition("_")[0] for arm in EXPERIMENTS["designs"].arms.values()} == {
        "tsn",
        "tsm",
        "gsm",
        "sth",
        "vsn",
        "r2plus1d",
    }
    assert set(EXPERIMENTS["designs"].tasks) == {"direction", "order"}


@torch.no_grad()
def test_gsm_with_open_gates_is_tsm_and_with_closed_gates_is_tsn():
    """The experiment on gates relies on this: GSM gates the channels that TSM shifts, in the same directions."""
    clip = torch.randn(2, 3, 4, 32, 32)
    gsm, tsm, tsn = (create_model(f"{design}_smallresnet", num_classes=4, size=32).eval() for design in _GATES)
    randomise(gsm, size=32)
    for gate in (0.0, 20.0):  # tanh: 0 and 1
        for name, parameter in gsm.named_parameters():
            if "conv3D" in name:
                parameter.fill_(gate if name.endswith("bias") else 0)
        reference = tsm if gate else tsn
        reference.load_state_dict({key: value for key, value in gsm.state_dict().items() if "temporal" not in key})
        torch.testing.assert_close(gsm(clip), reference(clip))
    assert (tsm(clip) - tsn(clip)).abs().max() > 1e-2


_GATES = ("gsm", "tsm", "tsn")

# --- sentences and tables, from numbers computed by hand


def row(name, scores, *, seconds=10.0, attention=None, **more):
    runs = [{"families": {"direction": {"n": 4, "accuracy": a}, "control": {"n": 2, "accuracy": 1.0}}} for a in scores]
    given = {
        "name": name,
        "model": "tsm_smallresnet",
        "options": {},
        "runs": runs,
        "drop_when_shuffled": 0.25,
        "seconds": seconds,
    }
    given |= {
        "receptive_field": 3,
        "frames": 8,
        "params": 1_250_000,
        "macs": 400_000_000,
        "n": 6,
        "epochs": 2,
        "size": 32,
    }
    return given | ({"attention": attention} if attention else {}) | more


def test_a_claim_is_confirmed_if_every_seed_is_above_every_other():
    assert verdict([0.8, 0.9], [0.6, 0.7]).startswith("**confirmed**: 85.0 ± 7.1 above 65.0 ± 7.1")
    assert verdict([0.6, 0.7], [0.8, 0.9]).startswith("**contradicted**: 65.0 ± 7.1 below 85.0 ± 7.1")
    assert verdict([0.6, 0.9], [0.7, 0.8]) == "**inconclusive** (75.0 ± 21.2 and 75.0 ± 7.1)."
    assert verdict([0.7, 0.9], [0.7, 0.6]).startswith("**inconclusive** (")  # a tie is not above
    assert verdict([1.0, 0.99], [0.995, 0.99]).startswith("**inconclusive**, both at the ceiling (")
    assert verdict([0.5, 0.52], [0.5, 0.5]).startswith("**inconclusive**, both at chance level (")
    assert spread([0.5]) == "50.0"


def test_accuracies_are_those_of_the_largest_family():
    assert accuracies(row("a", [0.25, 0.5])) == [0.25, 0.5]


def test_claims_are_tested_on_their_task_or_on_all_tasks():
    found = {
        "direction": [row("a", [0.9, 0.8]), row("b", [0.6, 0.5])],
        "order": [row("a", [0.5, 0.5]), row("b", [0.7, 0.8])],
    }
    lines = verdicts([Claim("A above B", "a", "b", "Paper"), Claim("B near", "b", "a", "", "order")], found)
    assert [line.partition(":")[0] for line in lines] == [
        "A above B (Paper) on direction",
        "A above B (Paper) on order",
        "B near on order",
    ]
    assert ["confirmed" in line for line in lines] == [True, False, True]
    assert "contradicted" in lines[1]


def test_the_table_has_one_row_per_arm():
    found = {"direction": [row("a", [0.5, 0.75], options={"p": "1/2"}), row("b", [1.0, 1.0], frames=16)]}
    lines = table(found).splitlines()
    assert lines[0] == (
        "| arm | network | frames | accuracy on direction, % | drop when shuffled | measured temporal receptive field "
        "| params | MACs | training time |"
    )
    assert lines[2] == ("| a | `tsm_smallresnet`, p=1/2 | 8 | 62.5 ± 17.7 | +25.0 | 3 of 8 | 1.25 M | 0.40 G | 10 s |")
    assert lines[3].startswith("| b | `tsm_smallresnet` | 16 | 100.0 ± 0.0 |")
    assert "frames" not in table({"direction": [row("a", [0.5])]}).splitlines()[0]
    both = table({"direction": [row("a", [0.5])], "order": [row("a", [0.25], seconds=5)]}).splitlines()[2]
    assert both.endswith("| 50.0 | +25.0 | 25.0 | +25.0 | 3 of 8 | 1.25 M | 0.40 G | 15 s |")


def test_attention_by_stage():
    seeds = [
        {"temporal": 0.5, "stages": [{"stage": "layer1", "temporal": 0.4}, {"stage": "layer2", "temporal": 0.6}]},
        {"temporal": 0.7, "stages": [{"stage": "layer1", "temporal": 0.6}, {"stage": "layer2", "temporal": 0.8}]},
    ]
    lines = attention_table({"direction": [row("a", [0.5, 0.5], attention=seeds), row("b", [0.5])]}).splitlines()
    assert lines[0] == "| attention to time, % | task | layer1 | layer2 | all |"
    assert lines[2:] == ["| a | direction | 50.0 ± 14.1 | 70.0 ± 14.1 | 60.0 ± 14.1 |"]
    assert attention_table({"direction": [row("b", [0.5])]}) == ""


def test_sentences_on_attention():
    def sth(name, p, first, last):
        seed = {
            "temporal": (first + last) / 2,
            "stages": [{"stage": "a", "temporal": first}, {"stage": "b", "temporal": last}],
        }
        return row(name, [0.5], attention=[seed], options={"p": p} if p else {})

    found = {
        "direction": [
            sth("half", "1/2", 0.4, 0.5),
            sth("quarter", None, 0.6, 0.5),
            sth("eighth", "1/8", 0.5, 0.7),
            row("tsn", [0.5]),
        ],
        "control": [sth("half", "1/2", 0.4, 0.2), sth("quarter", None, 0.6, 0.6)],
    }
    assert [line.rpartition(": ")[2] for line in attention_sentences(found)] == [
        "true in 2 of 5 comparisons.",  # 0.5 > 0.4, 0.7 > 0.5; not 0.5 > 0.6, 0.2 > 0.4, 0.6 > 0.6
        "true in 4 of 4 comparisons.",  # quarter > half twice, eighth > half, eighth > quarter
        "true in 1 of 2 comparisons.",  # 0.45 > 0.3; not 0.55 > 0.6
    ]
    assert attention_sentences({"direction": [row("tsn", [0.5])]}) == []


# --- runs

TINY = Experiment(
    "Tiny?",
    {
        "later": Arm("tsm_smallresnet", frames=4, epochs=2, start="tsm"),
        "tsm": Arm("tsm_smallresnet", {"causal": True}),
        "sth": Arm("sth_smallresnet"),
    },
    {"tiny": 1},
    [Claim("later is better", "later", "tsm")],
)
TRAINING = {"workers": 0, "quiet": True, "batch_size": 6}


@pytest.fixture
def no_page(monkeypatch):
    monkeypatch.setattr("spatempo.studies.comparing.page_content.write_page", lambda path, *_, **__: path)


def test_a_small_experiment(tmp_path, no_page, monkeypatch):
    found = run_experiment("small", TINY, tmp_path, seeds=2, **TRAINING)
    later, tsm, sth = found["tiny"]
    assert [r["name"] for r in found["tiny"]] == ["later", "tsm", "sth"]  # as defined, not in the order of training
    assert [(r["frames"], r["epochs"], len(r["runs"])) for r in (later, tsm, sth)] == [(4, 2, 2), (8, 1, 2), (8, 1, 2)]
    assert tsm["receptive_field"] == 6  # five causal blocks: the frame and five before it
    assert later["receptive_field"] == 4
    assert [len(r.get("attention", [])) for r in (later, tsm, sth)] == [0, 0, 2]
    assert sth["attention"][0]["n"] == 12
    runs = tmp_path / "runs"
    kept = json.loads((runs / "tiny-2" / "later-seed1.json").read_text())
    assert kept["settings"]["weights"] == str(runs / "tiny-1" / "tsm-seed1" / "best")  # of the same seed
    assert "\n- later is better: **" in report(TINY, found)
    # another experiment with the same arm trains only the new arm
    trained = []

    train = run_module.train
    monkeypatch.setattr(run_module, "train", lambda *a, **k: trained.append(str(k["out"])) or train(*a, **k))
    other = Experiment("Other?", {"tsm": TINY.arms["tsm"], "tsn": Arm("tsn_smallresnet")}, {"tiny": 1})
    again = run_experiment("other", other, tmp_path, seeds=2, **TRAINING)
    assert [path.rpartition("/")[2] for path in trained] == ["tsn", "tsn-seed1"]
    assert accuracies(again["tiny"][0]) == accuracies(tsm)
    assert load(again["tiny"][1]["checkpoint"]).name == "tsn_smallresnet"
    assert not list(tmp_path.glob("*/cache"))
    assert [picture.parent.name for picture in tmp_path.glob("*/attention.png")] == ["small-tiny"]


def test_invalid_arguments_fail_before_any_training(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("<!-- tsm --><!-- end of tsm -->")
    out = ["--out", str(tmp_path / "out")]
    for arguments, message in (
        (["tms"], "there is no experiment 'tms'"),
        (["tsm", "sth", "--into", str(page)], "<!-- sth -->"),
    ):
        assert main([*arguments, *out]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_zero_seeds_are_refused(tmp_path, capsys):
    assert main(["tsm", "--seeds", "0", "--out", str(tmp_path)]) == 2
    assert "seeds is 0; give at least 1" in capsys.readouterr().err


def test_importing_the_program_does_not_import_torch():
    code = "import sys, spatempo.studies.experiments; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
