"""Fusion of scores, against hand-computed values on three videos."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from spatempo.errors import SpatempoError
from spatempo.evaluation.results.eval_result import EvalResult, measure
from spatempo.evaluation.results.fusion import fuse

CLASSES = ("a", "b")


def result(scores, labels=(0, 1, 1), paths=("/1", "/2", "/3"), indices=None, classes=CLASSES, bad=()) -> EvalResult:
    indices = list(range(len(labels))) if indices is None else indices
    found = measure(
        torch.tensor(scores, dtype=torch.float32),
        torch.tensor(labels),
        classes,
        indices=indices,
        clips=2,
        crops=3,
        unreadable=[{"path": path, "reason": "damaged"} for path in bad],
    )
    found.paths = list(paths)
    return found


RGB = result([[2.0, 0.0], [3.0, 0.0], [0.0, 1.0]])  # a, a, b: 2 of 3
FLOW = result([[0.0, 1.0], [0.0, 2.5], [0.0, 1.0]])  # b, b, b: 2 of 3


def test_fusion_of_logits_against_hand_computed_values():
    """TSN's weights 1 and 1.5: 2 - 1.5 = .5 for a in video 1, 3.75 - 3 = .75 for b in video 2. Equal: a in video 2."""
    fused = fuse(RGB, FLOW, weights=(1, 1.5), on="logits")
    np.testing.assert_allclose(fused.scores * 2.5, [[2, 1.5], [3, 3.75], [0, 2.5]], rtol=1e-6)
    assert fused.top1 == 1.0
    assert fused.confusion == [[1, 0], [0, 2]]
    assert (fused.n, fused.clips, fused.crops, fused.classes, fused.paths) == (3, 2, 3, CLASSES, RGB.paths)
    assert fuse(RGB, FLOW, on="logits").predictions.tolist() == [0, 0, 1]


def test_fusion_of_probabilities_against_hand_computed_values():
    """b in video 2: 1 / (1 + e^3) = .0474 with RGB, e^2.5 / (1 + e^2.5) = .9241 with flow, mean .4858: predicts a."""
    fused = fuse(RGB, FLOW)
    of_b = [1 / (1 + math.exp(3)), 1 / (1 + math.exp(-2.5))]
    assert math.exp(fused.scores[1, 1]) == pytest.approx(sum(of_b) / 2)
    np.testing.assert_allclose(np.exp(fused.scores).sum(1), 1, rtol=1e-6)  # their softmax is the probability
    assert fused.predictions[1] == 0
    assert fuse(RGB, FLOW, weights=(0.4, 0.6)).predictions[1] == 1
    assert math.exp(fuse(RGB, FLOW, weights=(2, 3)).scores[1, 1]) == pytest.approx(0.4 * of_b[0] + 0.6 * of_b[1])


def test_fusion_of_logits_and_of_probabilities_differ():
    """One very confident network determines the sum of logits, but not the mean of probabilities."""
    confident, others = result([[9.0, 0.0]], [1], ["/1"]), [result([[0.0, 2.0]], [1], ["/1"])] * 2
    assert fuse(confident, *others, on="logits").top1 == 0
    assert fuse(confident, *others, on="softmax").top1 == 1


def test_scores_are_finite_for_probabilities_of_zero():
    assert np.isfinite(fuse(result([[900.0, -900.0]], [0], ["/1"])).scores).all()


def test_videos_are_matched_by_path_or_index():
    reordered = result(FLOW.scores[::-1].copy(), (1, 1, 0), ("/3", "/2", "/1"), indices=[5, 6, 7])
    for on in ("softmax", "logits"):
        fused, expected = fuse(RGB, reordered, on=on), fuse(RGB, FLOW, on=on)
        assert np.array_equal(fused.scores, expected.scores)
        assert fused.indices.tolist() == [0, 1, 2]
    elsewhere = result(FLOW.scores, paths=("/flow/1", "/flow/2", "/flow/3"))
    with pytest.raises(SpatempoError, match=r"video /1 is not in result 2; .* by='index'"):
        fuse(RGB, elsewhere)
    assert np.array_equal(fuse(RGB, elsewhere, by="index").scores, fuse(RGB, FLOW).scores)


def test_videos_that_one_network_could_not_read_are_excluded_and_listed():
    flow = result(FLOW.scores[[0, 2]], (0, 1), ("/1", "/3"), indices=[0, 2], bad=["/2"])
    fused = fuse(RGB, flow)
    assert (fused.n, fused.paths, fused.indices.tolist()) == (2, ["/1", "/3"], [0, 2])
    assert fused.unreadable == [{"path": "/2", "reason": "damaged"}]
    assert np.array_equal(fuse(flow, RGB).scores, fuse(RGB, flow).scores)
    only_first = result([[1.0, 0.0]], [0], ["/1"], bad=["/2"])
    with pytest.raises(SpatempoError, match="no video was read by all"):
        fuse(only_first, result([[1.0, 0.0]], [0], ["/2"], bad=["/1"]))


@pytest.mark.parametrize(
    ("other", "options", "message"),
    [
        (result(FLOW.scores[:2], (0, 1), ("/1", "/2")), {}, "video /3 is not in result 2"),
        (result(np.zeros((4, 2)), (0, 1, 1, 0), ("/1", "/2", "/3", "/4")), {}, "video /4 is in result 2 only"),
        (result(FLOW.scores, (0, 0, 1)), {}, "/2 has different labels in results 1 and 2"),
        (result(FLOW.scores, classes=("b", "a")), {}, "classes differ"),
        (result(FLOW.scores, paths=()), {}, "has no paths of its videos"),
        (result(FLOW.scores, indices=[0, 1, 9]), {"by": "index"}, "video 2 is not in result 2; test on the same data"),
        (FLOW, {"weights": (1,)}, "2 results with 1 weights"),
        (FLOW, {"weights": (1, -1)}, "weights are"),
        (FLOW, {"weights": (0, 0)}, "weights are"),
        (FLOW, {"on": "logit"}, "on is 'logit'; choose from softmax, logits"),
        (FLOW, {"by": "name"}, "by is 'name'"),
    ],
)
def test_mismatched_results_and_invalid_options_are_rejected(other, options, message):
    with pytest.raises(SpatempoError, match=message) as error:
        fuse(RGB, other, **options)
    assert "\n" not in str(error.value)
