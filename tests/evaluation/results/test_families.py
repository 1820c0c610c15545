"""Order-blind models have an accuracy of exactly 1/2 within pairs; models that use order do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spatempo.data.manifest import Manifest, Sample
from spatempo.errors import SpatempoError
from spatempo.evaluation.results.eval_result import EvalResult, measure
from spatempo.evaluation.results.families import TIE, families, within_pair
from spatempo.evaluation.scoring.scores import score_views

CLASSES = ("still", "up", "down", "in", "out")


def manifest(count: int = 50) -> Manifest:
    """A manifest with a clip of each pair, its reversal, and a control clip, `count` times."""
    rows = []
    for i in range(count):
        rows += [
            Sample(f"{i}u", 1, family="direction", pair="up-down"),
            Sample(f"{i}d", 2, family="direction", pair="up-down"),
            Sample(f"{i}i", 3, family="direction", pair="in-out"),
            Sample(f"{i}o", 4, family="direction", pair="in-out"),
            Sample(f"{i}s", 0, family="control"),
        ]
    return Manifest("made up", Path("/"), tuple(rows), CLASSES)


def clips(count: int, frames: int = 8) -> Tensor:
    """A clip and its reversal, a second clip and its reversal, a third clip, and so on: ``[5 * count, 3, T, 4, 4]``."""
    x = torch.randn(count, 3, 3, frames, 4, 4, generator=torch.Generator().manual_seed(0))
    parts = [x[:, 0], x[:, 0].flip(2), x[:, 1], x[:, 1].flip(2), x[:, 2]]
    return torch.stack(parts, 1).flatten(0, 1)


class PerFrame(nn.Module):
    """A small TSN: a network on every frame, and the mean of its logits."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5)
        )

    def forward(self, clip: Tensor) -> Tensor:
        frames = clip.transpose(1, 2).flatten(0, 1)
        return self.net(frames).unflatten(0, (len(clip), -1)).mean(1)


@torch.no_grad()
def result_of(model: nn.Module, data: Manifest) -> EvalResult:
    scores = score_views(model, clips(len(data.samples) // 5))
    return measure(scores, torch.tensor([s.label for s in data.samples]), data.classes)


def test_order_blind_model_has_accuracy_one_half_within_pairs() -> None:
    torch.manual_seed(1)
    data = manifest()
    found = families(result_of(PerFrame(), data), data)
    assert found.families["direction"].within_pair == 0.5
    assert [pair.within_pair for pair in found.pairs.values()] == [0.5, 0.5]


def test_rounding_does_not_break_ties() -> None:
    """Two classes with equal scores except for rounding: near-ties must count one half."""
    torch.manual_seed(1)
    model, data = PerFrame(), manifest(200)
    fc = model.net[-1]
    assert isinstance(fc, nn.Linear)
    with torch.no_grad():
        fc.weight[[2, 4]] = fc.weight[[1, 3]] * (1 + 1e-7)
        fc.bias[[2, 4]] = fc.bias[[1, 3]]
    result = result_of(model, data)
    # Without a tolerance, rounding changes the accuracy from 1/2 ...
    strict = [
        float(result.scores[i, s.label] > result.scores[i, {1: 2, 2: 1, 3: 4, 4: 3}[s.label]])
        for i, s in enumerate(data.samples)
        if s.pair
    ]
    assert np.mean(strict) != 0.5
    # ... and with the tolerance it is 1/2.
    assert families(result, data).families["direction"].within_pair == 0.5


def test_model_that_uses_order_differs_from_one_half() -> None:
    class First(nn.Module):
        """Compares the first half of the clip with the second."""

        def forward(self, clip: Tensor) -> Tensor:
            early, late = clip[:, 0, :4].mean((1, 2, 3)), clip[:, 0, 4:].mean((1, 2, 3))
            up = (late - early).sign()
            return torch.stack([0 * up - 9, up, -up, 0 * up - 9, 0 * up - 9], 1)

    data = manifest()
    result = result_of(First(), data)
    rising = clips(50)[0::5, 0]
    expected = float((rising[:, 4:].mean((1, 2, 3)) > rising[:, :4].mean((1, 2, 3))).float().mean())
    found = families(result, data)
    assert found.pairs["up-down"].within_pair == pytest.approx(
        expected
    )  # a clip and its reversal are both correct or both wrong
    assert found.pairs["in-out"].within_pair == 0.5  # equal scores
    assert found.to_json()["families"]["control"] == {"n": 50, "top1": 0.0, "within_pair": None, "accuracy": 0.0}


def test_accuracies_against_hand_computed_values() -> None:
    samples = (
        Sample("a", 1, family="direction", pair="p"),  # correct within the pair, although class 0 has the best score
        Sample("b", 2, family="direction", pair="p"),  # wrong
        Sample("c", 2, family="direction", pair="p"),  # tie
        Sample("d", 0, family="control"),  # correct
        Sample("e", 0),  # no family: not counted
    )
    data = Manifest("m", Path("/"), samples, ("x", "up", "down"))
    scores = torch.tensor([[9.0, 2.0, 1.0], [0.0, 2.0, 1.0], [0.0, 1.0, 1.0], [3.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    found = families(measure(scores, torch.tensor([1, 2, 2, 0, 0]), data.classes), data)
    direction = found.families["direction"]
    assert (direction.n, direction.within_pair, direction.accuracy) == (3, 0.5, 0.5)
    assert direction.top1 == 0.0  # argmax of a tie is the first
    assert found.families["control"].accuracy == 1.0
    assert found.to_json()["pairs"] == {
        "p": {"family": "direction", "classes": ["up", "down"], "n": 3, "within_pair": 0.5}
    }


def test_unreadable_videos_are_excluded_by_index() -> None:
    samples = (
        Sample("a", 0, family="f", pair="p"),
        Sample("b", 1, family="f", pair="p"),
        Sample("c", 0, family="f", pair="p"),
    )
    data = Manifest("m", Path("/"), samples, ("x", "y"))
    # video 1 could not be read
    result = measure(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0]), data.classes, indices=[0, 2])
    assert families(result, data).pairs["p"].n == 2
    assert families(result, data).pairs["p"].within_pair == 0.5


@pytest.mark.parametrize(
    ("gap", "expected"), [(0.0, 0.5), (0.5 * TIE, 0.5), (-0.5 * TIE, 0.5), (3 * TIE, 1.0), (-3 * TIE, 0.0)]
)
def test_near_ties_count_one_half(gap: float, expected: float) -> None:
    scores = np.array([1.0 + gap, 1.0, -0.2])
    assert within_pair(scores, 0, (0, 1)) == expected
    assert within_pair(1000 * scores, 0, (0, 1)) == expected  # relative to the scores


def test_unsuitable_manifests_are_rejected() -> None:
    scores = measure(torch.zeros(2, 2), torch.tensor([0, 1]), ["x", "y"])
    plain = Manifest("plain.csv", Path("/"), (Sample("a", 0), Sample("b", 1)), ("x", "y"))
    with pytest.raises(SpatempoError, match=r"plain\.csv.*add a column `family`"):
        families(scores, plain)
    single = Manifest("m", Path("/"), (Sample("a", 0, family="f", pair="p"), Sample("b", 1, family="f")), ("x", "y"))
    with pytest.raises(SpatempoError, match=r"pair 'p' has 1 classes \(x\)"):
        families(scores, single)
    short = Manifest("m", Path("/"), (Sample("a", 0, family="f"),), ("x", "y"))
    with pytest.raises(SpatempoError, match="another manifest"):
        families(scores, short)
    swapped = Manifest("m", Path("/"), (Sample("a", 1, family="f"), Sample("b", 0, family="f")), ("x", "y"))
    with pytest.raises(SpatempoError, match="labels differ from those"):
        families(scores, swapped)
