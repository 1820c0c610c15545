"""Statistics computed from predictions, against hand-computed values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from spatempo.data.manifest import Manifest, Sample
from spatempo.evaluation.order.dependence import confused_without_order, order_requirement, time_dependence, verdict
from spatempo.evaluation.order.orders import OrderResults
from spatempo.evaluation.results.eval_result import EvalResult, measure
from spatempo.evaluation.results.intervals import wilson

CLASSES = ("open", "close", "wave")
LABELS = [0] * 12 + [1] * 12 + [2] * 6


def result(predictions: list[int], *, keep: slice = slice(None)) -> EvalResult:
    scores = torch.nn.functional.one_hot(torch.tensor(predictions), 3).float()
    return measure(scores[keep], torch.tensor(LABELS)[keep], CLASSES, indices=range(len(LABELS))[keep])


def manifest(pairs: bool) -> Manifest:
    family = ["move", "move", "still"]
    samples = tuple(
        Sample(f"/v/{i}", label, family=family[label] if pairs else None, pair="door" if pairs and label < 2 else None)
        for i, label in enumerate(LABELS)
    )
    return Manifest("made up", Path("/v"), samples, CLASSES)


def found(shuffled: list[list[int]], *, ordered: list[int] = LABELS, changed: int = 30) -> OrderResults:
    predictions = {"ordered": ordered, "reversed": [1, 0, 2], "frozen": [0, 0, 2]}
    predictions["reversed"] = [predictions["reversed"][label] for label in LABELS]
    predictions["frozen"] = [predictions["frozen"][label] for label in LABELS]
    by_order = {name: result(given) for name, given in predictions.items()}
    by_order |= {f"shuffled {i}": result(given) for i, given in enumerate(shuffled, 1)}
    orders = dict.fromkeys(by_order, (0, 1))
    counts = {1: by_order["frozen"], 2: by_order["ordered"]}
    return OrderResults(2, orders, by_order, counts, {4: "no"}, changed, 0.5, changed == 0)


HALF = [0] * 24 + [2] * 6  # the second class is always predicted as the first
THIRD = [0] * 12 + [1] * 4 + [0] * 8 + [2] * 6


def test_accuracies_intervals_and_the_paired_test():
    document = time_dependence(found([HALF, THIRD, HALF]), manifest(pairs=False))
    assert (document["ordered"], document["reversed"]) == (1.0, 6 / 30)
    assert document["frozen"] == 18 / 30
    assert document["shuffled_runs"] == pytest.approx([18 / 30, 22 / 30, 18 / 30])
    assert document["shuffled"] == pytest.approx(58 / 90)
    assert document["shuffled_spread"] == pytest.approx(np.std([18, 22, 18], ddof=1) / 30)
    assert document["intervals"]["ordered"] == wilson(30, 30)
    assert document["intervals"]["shuffled"] == pytest.approx(wilson(58 / 3, 30))
    assert document["only_ordered"] == pytest.approx((12 + 8 + 12) / 3)
    assert document["only_shuffled"] == 0
    # p-values of the three shuffles: 2/2^12, 2/2^8, 2/2^12; combined: the median times 3/2
    assert document["p_value"] == pytest.approx(3 / 2 * 2 / 2**12)
    assert document["verdict"] == "uses order"
    assert [row["top1"] for row in document["by_frames"]] == [18 / 30, 1.0]
    assert document["unsupported_frames"] == {4: "no"}
    assert (document["scores_changed"], document["n"]) == (1.0, 30)
    assert "families" not in document


def test_statistics_per_class():
    rows = time_dependence(found([HALF, THIRD, HALF]), manifest(pairs=False))["per_class"]
    assert list(rows) == list(CLASSES)
    close = rows["close"]
    assert (close["n"], close["ordered"], close["reversed"], close["frozen"]) == (12, 1.0, 0.0, 0.0)
    assert close["shuffled"] == pytest.approx(4 / 36)
    assert close["shuffled_interval"] == pytest.approx(wilson(4 / 3, 12))
    assert close["p_value"] == pytest.approx(3 * 3 / 2 * 2 / 2**12)  # Holm: times 3 for three classes
    assert rows["open"]["p_value"] == rows["wave"]["p_value"] == 1.0


def test_pairs_confused_only_without_order():
    rows = confused_without_order(found([HALF, THIRD, HALF]))
    assert rows == [
        {
            "classes": ["open", "close"],
            "n": 24,
            "ordered": 0.0,
            "shuffled": pytest.approx(32 / 72),
            "p_value": pytest.approx(3 / 2 * 2 / 2**12),
        }
    ]
    # also confused in order: not an effect of order
    assert confused_without_order(found([HALF, THIRD, HALF], ordered=HALF)) == []
    # 4 of 12 can be chance: 2/2^4 is above 0.05
    few = [0] * 12 + [1] * 8 + [0] * 4 + [2] * 6
    assert confused_without_order(found([few])) == []


def test_family_accuracy_is_measured_within_pairs():
    families = time_dependence(found([HALF, THIRD, HALF]), manifest(pairs=True))["families"]
    assert families["move"] == {
        "n": 24,
        "pairs": True,
        "ordered": 1.0,
        "reversed": 0.0,
        "frozen": 0.5,
        "shuffled": pytest.approx((12 + 16 + 12) / 72),
    }
    assert families["still"]["pairs"] is False
    assert families["still"]["shuffled"] == 1.0


@pytest.mark.parametrize(
    ("blind", "gain", "p_value", "expected"),
    [
        (True, 0.0, 1.0, "order-blind"),
        (False, 0.0, 1.0, "inconclusive"),
        (False, 0.3, 0.05, "inconclusive"),
        (False, 0.01, 0.049, "uses order"),
        (False, -0.01, 0.049, "better when shuffled"),
    ],
)
def test_verdict_depends_on_the_test_and_not_on_the_size_of_the_difference(blind, gain, p_value, expected):
    assert verdict(blind, gain, p_value) == expected


def test_model_with_equal_predictions_but_changed_scores_is_not_order_blind():
    assert time_dependence(found([LABELS]), manifest(False))["verdict"] == "inconclusive"
    assert time_dependence(found([LABELS], changed=0), manifest(False))["verdict"] == "order-blind"


def test_fraction_of_the_data_that_needs_order():
    temporal = result([0] * 12 + [1] * 11 + [0] + [2] * 5 + [0])
    blind = result(HALF)
    need = order_requirement(temporal, blind, manifest(pairs=True))
    assert (need["n"], need["temporal"], need["order_blind"]) == (30, 28 / 30, 18 / 30)
    assert need["needs_order"] == pytest.approx(11 / 30)
    assert need["interval"] == wilson(11, 30)
    assert need["only_order_blind"] == pytest.approx(1 / 30)
    assert need["p_value"] == pytest.approx(2 * (1 + 12) / 2**12)
    assert set(need["per_group"]) == {"open / close", "wave"}
    door = need["per_group"]["open / close"]
    assert (door["n"], door["temporal"], door["order_blind"]) == (24, 23 / 24, 0.5)
    assert door["p_value"] == pytest.approx(2 * 2 / 2**11)
    assert need["groups_need_order"] == ["open / close"]


def test_guessing_the_other_class_of_a_pair_is_not_a_need_of_order():
    other = [1] * 24 + [2] * 6  # guesses "close" where the order-blind model guesses "open"
    need = order_requirement(result(other), result(HALF), manifest(pairs=True))
    assert need["groups_need_order"] == []
    assert need["per_group"]["open / close"]["p_value"] == 1.0
    assert order_requirement(result(other), result(HALF), manifest(pairs=False))["groups_need_order"] == ["close"]


def test_videos_that_only_one_model_could_read_are_ignored():
    need = order_requirement(result(LABELS, keep=slice(0, 20)), result(HALF, keep=slice(10, 30)), manifest(pairs=False))
    assert need["n"] == 10
    assert need["needs_order"] == 0.8
