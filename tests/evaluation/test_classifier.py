"""Evaluation of an object that is not a torch module: it has the three members of `ClipClassifier` and uses numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import spatempo
from spatempo.data.manifest import load_manifest
from spatempo.errors import SpatempoError
from spatempo.evaluation.classifier import ClipClassifier, check_classifier
from spatempo.evaluation.latency import measure_latency
from spatempo.evaluation.order.orders import evaluate_orders
from spatempo.evaluation.running import device_of, eval_mode, move
from spatempo.inputs.spec import Preprocess
from spatempo.models.registry import create_model
from spatempo.video.writer import write_video

CLASSES = ("dark", "bright")


class Numpy:
    """Scores of (dark, bright) from the mean of the values. `__slots__` prevents evaluation from setting attributes."""

    __slots__ = ("__weakref__", "classes", "preprocess", "shown")

    def __init__(self) -> None:
        self.preprocess = Preprocess(frames=4, size=16, mean=(0.5,) * 3, std=(0.5,) * 3)
        self.classes = CLASSES
        self.shown: list[tuple[int, ...]] = []

    def __call__(self, clip: np.ndarray) -> np.ndarray:
        assert isinstance(clip, np.ndarray)
        assert clip.dtype == np.float32
        self.shown.append(clip.shape)
        light = 4 * clip.mean((1, 2, 3, 4))
        return np.stack([-light, light], 1)


class Torch(nn.Module):
    """The same classifier as a torch module."""

    def __init__(self) -> None:
        super().__init__()
        self.preprocess, self.classes = Numpy().preprocess, CLASSES

    def forward(self, clip: Tensor) -> Tensor:
        light = 4 * clip.mean((1, 2, 3, 4))
        return torch.stack([-light, light], 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three dark and three bright videos, one of each with the wrong label; a long one: 8 s dark, then 8 s bright."""
    root = tmp_path_factory.mktemp("light")
    rows = ["path,label"]
    for i, (value, label) in enumerate([(40, 0), (50, 0), (60, 1), (200, 1), (210, 1), (220, 0)]):
        write_video(root / f"{i}.mp4", np.full((8, 24, 32, 3), value, np.uint8), fps=10)
        rows.append(f"{i}.mp4,{CLASSES[label]}")
    (root / "test.csv").write_text("\n".join(rows))
    write_video(
        root / "long.mp4",
        np.repeat(np.uint8([20, 235]), 80)[:, None, None, None].repeat(24, 1).repeat(32, 2).repeat(3, 3),
        fps=10,
    )
    return root


def test_evaluate(folder):
    model: ClipClassifier = Numpy()
    result = spatempo.evaluate(model, folder / "test.csv", clips=2, device="auto")
    assert (result.top1, result.n, result.confusion) == (pytest.approx(4 / 6), 6, [[2, 1], [1, 2]])
    reference = spatempo.evaluate(Torch(), folder / "test.csv", clips=2)
    np.testing.assert_allclose(result.scores, reference.scores, rtol=1e-5)
    assert spatempo.fuse(result, reference).top1 == result.top1


def test_predict(folder):
    model = Numpy()
    found = spatempo.predict(model, folder / "3.mp4")
    assert model.shown == [(1, 3, 4, 16, 16)]
    assert [row["label"] for row in found] == ["bright", "dark"]
    reference = spatempo.predict(Torch(), folder / "3.mp4")
    assert found[0]["score"] == pytest.approx(reference[0]["score"])
    model.classes = None
    assert [row["label"] for row in spatempo.predict(model, folder / "3.mp4")] == ["1", "0"]


def test_timeline(folder):
    found = spatempo.timeline(Numpy(), folder / "long.mp4")
    assert [(round(s.start), round(s.end), s.label) for s in found.segments] == [(0, 8, "dark"), (8, 16, "bright")]


def test_orders_and_latency(folder):
    found = evaluate_orders(Numpy(), load_manifest(folder / "test.csv", classes=CLASSES))
    assert (found.order_blind, found.changed, list(found.by_frames)) == (True, 0, [1, 2, 4, 8])
    took = measure_latency(Numpy(), runs=2)
    assert (took.frames, took.size, took.device, took.runs) == (4, 16, "cpu", 2)


def test_error_names_the_missing_member():
    class Bare:
        pass

    model = Bare()
    for name, value in (("preprocess", Preprocess()), ("classes", None)):
        with pytest.raises(SpatempoError, match=rf"^Bare has no .*: set model\.{name}"):
            check_classifier(model)
        setattr(model, name, value)
    with pytest.raises(SpatempoError, match="Bare cannot be called"):
        check_classifier(model)


@pytest.mark.parametrize("shape", [(2,), (3, 2), (1, 2, 2)])
def test_output_of_wrong_shape_is_rejected(folder, shape):
    class Wrong(Numpy):
        def __call__(self, clip: np.ndarray) -> np.ndarray:
            return np.zeros(shape, np.float32)

    with pytest.raises(SpatempoError, match=r"Wrong returned .* for 1 clips; expected logits \[1, K\]"):
        spatempo.predict(Wrong(), folder / "0.mp4")


def test_modes_are_restored_and_devices_found():
    model = create_model("tsm_smallresnet", num_classes=2, size=32).train()
    model.head.eval()
    for one in (model, Numpy()):
        with eval_mode(one):
            assert not getattr(one, "training", False)
        move(one, "cpu")
        assert device_of(one) == torch.device("cpu")
    assert model.training
    assert not model.head.training


def test_object_that_is_not_a_torch_module_cannot_be_moved():
    with pytest.raises(SpatempoError, match="Numpy is not a torch module, so it cannot be moved to cuda:1"):
        move(Numpy(), "cuda:1")
