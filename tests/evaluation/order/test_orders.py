"""Reordered frames: models with known results, on real video files."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import randomise
from torch import Tensor, nn

from spatempo.data import dataset as dataset_module
from spatempo.data.manifest import Manifest
from spatempo.errors import SpatempoError
from spatempo.evaluation.order.orders import (
    MultiLengthDataset,
    depends_on_order,
    evaluate_orders,
    frame_orders,
    supported_frame_counts,
)
from spatempo.evaluation.order.shuffled import evaluate_shuffled
from spatempo.evaluation.scoring.evaluate import evaluate
from spatempo.evaluation.scoring.loading import manifest_for
from spatempo.evaluation.scoring.protocols import Protocol
from spatempo.inputs.spec import Preprocess
from spatempo.inputs.views import load_views
from spatempo.models.registry import create_model
from spatempo.video.source import open_video
from spatempo.video.writer import write_video

CLASSES = ["brighter", "darker"]
PREPROCESS = Preprocess(frames=4, size=16, resize=16, mean=(0, 0, 0), std=(1, 1, 1))


class BrightnessScore(nn.Module):
    """Computes the score of "brighter" with a given function of the brightness of the frames ``[B, T]``."""

    def __init__(self, score, frames: int = 4) -> None:
        super().__init__()
        self.score = score
        self.preprocess = Preprocess(frames=frames, size=16, resize=16, mean=(0, 0, 0), std=(1, 1, 1))
        self.classes = CLASSES
        self.calls: list[int] = []

    def forward(self, clip: Tensor) -> Tensor:
        assert not self.training
        self.calls.append(len(clip))
        score = self.score(clip.mean((1, 3, 4)))
        return torch.stack([score, -score], 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three videos that get brighter, two that get darker, and one file that is not a video."""
    root = tmp_path_factory.mktemp("vidéos in time")
    rows = ["path,label"]
    for i, label in enumerate(["brighter", "darker", "brighter", "darker", "brighter"]):
        ramp = np.linspace(40, 200, 12) + 5 * i
        ramp = ramp if label == "brighter" else ramp[::-1]
        noise = np.random.default_rng(i).integers(0, 30, (12, 24, 32, 3))
        write_video(root / f"{i}.mp4", (ramp[:, None, None, None] + noise).astype(np.uint8), fps=10)
        rows.append(f"{i}.mp4,{label}")
    (root / "5.mp4").write_text("not a video")
    (root / "test.csv").write_text("\n".join([*rows, "5.mp4,darker"]), encoding="utf-8")
    return root


def network(design: str, **options: object) -> nn.Module:
    model = create_model(f"{design}_smallresnet", num_classes=2, frames=4, size=32, **options)
    randomise(model, size=32)
    model.classes = list(CLASSES)
    return model


def manifest_of(model: nn.Module, folder: Path) -> Manifest:
    return manifest_for(model, folder / "test.csv")


def test_shuffles_are_different_permutations():
    orders = frame_orders(8)
    shuffles = [order for name, order in orders.items() if name.startswith("shuffled")]
    assert len(set(shuffles)) == 5
    assert all(sorted(order) == list(range(8)) and order != orders["ordered"] for order in shuffles)
    assert orders["ordered"] == tuple(range(8))
    assert orders["reversed"] == (7, 6, 5, 4, 3, 2, 1, 0)
    assert orders["frozen"] == (4,) * 8
    assert frame_orders(8) == orders  # the same every time
    assert frame_orders(8, seed=1) != orders
    for frames in (2, 3):  # fewer than 9 permutations exist
        assert len(frame_orders(frames, shuffles=9)) == 3 + math.factorial(frames) - 1
    with pytest.raises(SpatempoError, match="1 frame, which have no order"):
        frame_orders(1)


def test_model_that_uses_only_order(folder):
    model = BrightnessScore(lambda light: light[:, -1] - light[:, 0])
    model.train()
    found = evaluate_orders(model, manifest_of(model, folder), batch_size=2)
    assert model.training
    top1 = {name: result.top1 for name, result in found.by_order.items()}
    assert (top1["ordered"], top1["reversed"]) == (1.0, 0.0)
    assert top1["frozen"] == pytest.approx(3 / 5)  # a tie gives the first class, the label of three videos
    for name, order in found.orders.items():
        if name.startswith("shuffled"):
            assert top1[name] == (order[-1] > order[0])
    assert {top1[f"shuffled {i}"] for i in range(1, 6)} == {0.0, 1.0}
    assert (found.changed, found.order_blind) == (5, False)
    assert found.largest_change == pytest.approx(2, abs=1e-5)  # in reversed order, scores change their sign
    # one frame has no difference in brightness, two or more have one
    assert {count: result.top1 for count, result in found.by_frames.items()} == {
        1: pytest.approx(3 / 5),
        2: 1.0,
        4: 1.0,
        8: 1.0,
    }
    assert [Path(bad["path"]).name for bad in found.ordered.unreadable] == ["5.mp4"]
    assert found.ordered.n == 5
    assert set(model.calls) <= {1, 2}  # blank clips and noise, then batches of two videos


def test_model_that_uses_only_the_first_frame(folder):
    model = BrightnessScore(lambda light: 0.5 - light[:, 0])
    found = evaluate_orders(model, manifest_of(model, folder))
    top1 = {name: result.top1 for name, result in found.by_order.items()}
    assert (top1["ordered"], top1["reversed"]) == (1.0, 0.0)
    for name, order in found.orders.items():
        if name.startswith("shuffled") and order[0] in (0, 3):
            assert top1[name] == (order[0] == 0)


@pytest.mark.parametrize("design", ["tsn", "tsm"])
def test_scores_are_identical_for_a_mean_over_frames_and_differ_for_a_shift(folder, design):
    model = network(design)
    found = evaluate_orders(model, manifest_of(model, folder), batch_size=3)
    others = [found.by_order["reversed"], *found.shuffled]
    same = [np.array_equal(result.scores, found.ordered.scores) for result in others]
    if design == "tsn":
        assert all(same)
        assert (found.changed, found.order_blind) == (0, True)
        assert 0 <= found.largest_change < 1e-5
    else:
        assert not any(same)
        assert (found.changed, found.order_blind) == (5, False)
        assert found.largest_change > 1e-3
    assert not np.array_equal(found.by_order["frozen"].scores, found.ordered.scores)


def test_rounding_does_not_decide_near_ties(folder):
    # the two scores are equal except for the last bit, which depends on the order of the sum
    model = BrightnessScore(lambda light: 5e-7 * (light[:, -1] - light[:, 0]))
    original = model.forward
    model.forward = lambda clip: original(clip) + 1  # pyright: ignore[reportAttributeAccessIssue]
    lit = torch.linspace(0, 1, 4)[None, None, :, None, None].expand(1, 3, 4, 16, 16)
    with torch.inference_mode():
        assert not torch.equal(model.eval()(lit), model(lit.flip(2)))
    found = evaluate_orders(model, manifest_of(model, folder))
    for result in (found.by_order["reversed"], *found.shuffled):
        assert np.array_equal(result.scores, found.ordered.scores)
    assert found.order_blind


def test_videos_without_motion_do_not_make_a_model_order_blind(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (1, 24, 32, 3), dtype=np.uint8)
    (tmp_path / "brighter").mkdir()
    (tmp_path / "darker").mkdir()
    for name in CLASSES:
        write_video(tmp_path / name / "0.mp4", image.repeat(12, 0), fps=10)
    model = BrightnessScore(lambda light: (light[:, -1] - light[:, 0]).round(decimals=1))
    found = evaluate_orders(model, manifest_for(model, tmp_path))
    assert found.changed == 0
    assert not found.order_blind
    assert depends_on_order(network("tsm"))
    assert not depends_on_order(network("tsn"))


def test_results_in_order_equal_those_of_evaluate(folder):
    model = network("tsm")
    manifest = manifest_of(model, folder)
    found, tested = evaluate_orders(model, manifest, batch_size=4), evaluate(model, manifest, batch_size=4)
    assert np.array_equal(found.ordered.scores, tested.scores)
    assert found.by_frames[4] is not found.by_frames[8]
    assert found.by_frames[4].top1 == tested.top1


def test_every_video_is_read_once_for_all_numbers_of_frames(folder, monkeypatch):
    opened: list[str] = []
    open_clip = dataset_module.open_clip
    monkeypatch.setattr(
        dataset_module, "open_clip", lambda path, *a, **k: opened.append(Path(path).name) or open_clip(path, *a, **k)
    )
    model = BrightnessScore(lambda light: light.mean(1))
    manifest = manifest_of(model, folder)
    evaluate_orders(model, manifest)
    assert opened == [f"{i}.mp4" for i in range(6)]
    clip = MultiLengthDataset(manifest, PREPROCESS, [1, 4, 8])[0]["clip"]
    with open_video(manifest.samples[0].path) as source:
        for count, part in zip([1, 4, 8], clip.split([1, 4, 8], 1), strict=True):
            preprocess = Preprocess(**{**PREPROCESS.to_dict(), "frames": count})
            assert torch.equal(part, load_views(source, preprocess)[0])


def test_unsupported_frame_counts_have_an_error_message():
    model = create_model("r2d_18", num_classes=2, frames=4, size=32, width=8)
    taken, refused = supported_frame_counts(model, model.preprocess)
    assert taken == [4]
    assert set(refused) == {1, 2, 8}
    assert "made for clips of 4 frames" in refused[8]
    model = create_model("tsm_smallresnet", num_classes=2, frames=6, size=32)
    assert supported_frame_counts(model, model.preprocess) == ([1, 2, 4, 6, 8], {})


# --- evaluate_shuffled: in order and shuffled only

CORNERS = Protocol("corners", clips=2, crops=3, sampling="segment", size=16, resize=16)


@pytest.mark.parametrize("protocol", [None, CORNERS])
def test_shuffled_accuracy_of_a_model_that_uses_only_order(folder, protocol):
    model = BrightnessScore(lambda light: light[:, -1] - light[:, 0])
    ordered, shuffled = evaluate_shuffled(model, manifest_of(model, folder), protocol=protocol, batch_size=5)
    orders = [order for name, order in frame_orders(4, shuffles=3).items() if name.startswith("shuffled")]
    assert shuffled == [float(order[-1] > order[0]) for order in orders] == [1.0, 0.0, 1.0]
    assert (ordered.top1, ordered.n, len(ordered.unreadable)) == (1.0, 5, 1)
    assert (ordered.clips, ordered.crops) == ((1, 1) if protocol is None else (2, 3))


@pytest.mark.parametrize("protocol", ["something-accurate", "kinetics-10x3-softmax"])
def test_ordered_result_equals_evaluate_with_the_same_protocol(folder, protocol):
    model = BrightnessScore(lambda light: 5 * (light[:, -1] - light[:, 0]))
    manifest = manifest_of(model, folder)
    ordered, _ = evaluate_shuffled(model, manifest, protocol=protocol)
    expected = evaluate(model, manifest, protocol=protocol)
    assert ordered.average == expected.average == ("softmax" if protocol.endswith("softmax") else "logits")
    np.testing.assert_array_equal(ordered.scores, expected.scores)


@pytest.mark.parametrize("design", ["tsn", "tsm"])
def test_shuffled_accuracy_agrees_with_evaluate_orders(folder, design):
    model = network(design)
    manifest = manifest_of(model, folder)
    ordered, shuffled = evaluate_shuffled(model, manifest, batch_size=4)
    detailed = evaluate_orders(model, manifest, batch_size=4)
    assert np.array_equal(ordered.scores, evaluate(model, manifest, batch_size=4).scores)
    assert shuffled == [result.top1 for result in detailed.shuffled[:3]]
    if design == "tsn":
        assert shuffled == [ordered.top1] * 3


def test_clips_of_one_frame_have_no_shuffles(folder):
    model = BrightnessScore(lambda light: light[:, 0] - 0.5, frames=1)
    ordered, shuffled = evaluate_shuffled(model, manifest_of(model, folder))
    assert (ordered.n, shuffled) == (5, [])
