"""Temporal attention weights of STH, against hand-computed values."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

import pytest
import torch
from greys import CLASSES, grey_videos
from networks import randomise
from torch import Tensor, nn

from spatempo.errors import SpatempoError
from spatempo.evaluation.inside.attention import attention_weights
from spatempo.inputs.spec import Preprocess
from spatempo.models.registry import create_model
from spatempo.operators.context import ForwardContext
from spatempo.operators.sth_conv import SthConv2d

GREY = Preprocess(frames=2, size=8, resize=8, mean=(0, 0, 0), std=(1, 1, 1))


def layer(call: ForwardContext, *odds: float) -> SthConv2d:
    """Two channels whose temporal branch outputs the image and whose spatial branch outputs zero.

    On a white clip, the ratio of the temporal to the spatial weight is `odds`. On a black clip, both weights are 1/2.
    """
    conv = SthConv2d(call, 2, 2, p=1 / 2)
    assert conv.attention is not None
    with torch.no_grad():
        conv.spatial_weight.zero_()
        conv.temporal_weight.zero_()[:, :, 1] = 1
        conv.attention.fc.weight.copy_(torch.diag(torch.tensor(odds).log()))
    return conv


class Parallel(nn.Module):
    """Three layers with attention in two stages, and one layer with sum integration. All get the image as input."""

    def __init__(self) -> None:
        super().__init__()
        self.preprocess, self.classes = GREY, list(CLASSES)
        self.context = ForwardContext()
        first = [layer(self.context, 3, 3), layer(self.context, 9, 1 / 3)]
        last = [layer(self.context, 99, 1 / 3), SthConv2d(self.context, 2, 2, p=1 / 2, integration="sum")]
        self.backbone = nn.ModuleDict({"layer1": nn.Sequential(*first), "layer2": nn.Sequential(*last)})

    def forward(self, clip: Tensor) -> Tensor:
        self.context.open(clip.shape[2])
        try:
            frames = clip[:, :2].transpose(1, 2).flatten(0, 1)
            maps = sum(conv(frames) for stage in self.backbone.values() for conv in stage)  # pyright: ignore
        finally:
            self.context.close()
        return maps.unflatten(0, (len(clip), -1)).mean((1, 3, 4))  # pyright: ignore[reportAttributeAccessIssue]


def test_attention_weights_against_hand_computed_values(tmp_path: Path) -> None:
    found = attention_weights(Parallel(), grey_videos(tmp_path, 255, 0))
    # white: 3/4 and 3/4; 9/10 and 1/4; 99/100 and 1/4. Black: 1/2 everywhere.
    white = {"layer1.0": 0.75, "layer1.1": 0.575, "layer2.0": 0.62}
    assert [(row.layer, row.stage) for row in found.layers] == [(name, name[:6]) for name in white]
    expected = {name: (weight, 0.5) for name, weight in white.items()}
    expected |= {"layer1": (0.6625, 0.5), "layer2": (0.62, 0.5), "network": ((0.75 + 0.575 + 0.62) / 3, 0.5)}
    rows = {row.layer: row for row in found.layers} | {row.stage: row for row in found.stages}
    for name, row in (rows | {"network": found}).items():
        assert row.temporal == pytest.approx(statistics.mean(expected[name]), abs=1e-6)
        assert row.spread == pytest.approx(statistics.stdev(expected[name]), abs=1e-6)
    single_branch = {
        "layer1.0": 0,
        "layer1.1": 0,
        "layer2.0": 1 / 4,
        "layer1": 0,
        "layer2": 1 / 4,
    }  # one of two channels, on white
    assert {name: rows[name].single_branch for name in rows} == single_branch
    assert found.single_branch == pytest.approx(1 / 12)
    assert [row.layers for row in found.stages] == [2, 1]
    assert (found.n, found.unreadable) == (2, [])
    document = found.to_json()
    assert set(document) == {"n", "temporal", "spread", "single_branch", "stages", "layers", "unreadable"}
    assert set(document["stages"][0]) == {"stage", "layers", "temporal", "spread", "single_branch"}
    assert set(document["layers"][0]) == {"layer", "stage", "temporal", "spread", "single_branch"}


def test_attention_is_one_half_before_training(tmp_path: Path) -> None:
    model = create_model("sth_smallresnet", num_classes=2, frames=4, size=16)
    model.classes = list(CLASSES)
    found = attention_weights(model, grey_videos(tmp_path, 200))
    assert len(found.layers) == 10
    assert [row.stage for row in found.stages] == ["layer1", "layer2", "layer3"]
    assert {(row.temporal, row.spread) for row in found.layers} == {(0.5, None)}


def test_batch_size_does_not_matter_and_the_model_is_unchanged(tmp_path: Path) -> None:
    model = randomise(create_model("sth_smallresnet", num_classes=2, frames=4, size=16), size=16).train()
    model.classes = list(CLASSES)
    videos = grey_videos(tmp_path, 10, 200, None, 90, 255)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    one, three = (attention_weights(model, videos, batch_size=size) for size in (1, 3))
    assert all(row.spread > 1e-4 for row in one.layers)
    assert flat(one.to_json()["layers"]) == pytest.approx(flat(three.to_json()["layers"]), abs=1e-5)
    assert all(m.training for m in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert one.n == 4
    assert [Path(bad["path"]).name for bad in one.unreadable] == ["2"]


def flat(rows: list[dict[str, Any]]) -> list[float]:
    return [row[key] for row in rows for key in ("temporal", "spread")]


def test_most_selects_the_same_videos_each_time(tmp_path: Path) -> None:
    videos = grey_videos(tmp_path, *range(0, 256, 15))
    drawn = [attention_weights(Parallel(), videos, max_videos=5) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert drawn[0].n == 5
    assert attention_weights(Parallel(), videos, max_videos=99).n == 18
    assert not math.isclose(drawn[0].temporal, attention_weights(Parallel(), videos).temporal, abs_tol=1e-4)


def test_hooks_are_removed_when_the_model_fails(tmp_path: Path) -> None:
    model = Parallel()
    model.backbone["layer2"][1].forward = None  # pyright: ignore
    with pytest.raises(TypeError):
        attention_weights(model, grey_videos(tmp_path, 10, 20))
    assert not any(module._forward_hooks for module in model.modules())


def test_model_without_attention_and_unreadable_data_are_rejected(tmp_path: Path) -> None:
    blind = create_model("tsn_smallresnet", num_classes=2)
    with pytest.raises(SpatempoError, match="no STH convolution with attention"):
        attention_weights(blind, grey_videos(tmp_path / "a", 10))
    with pytest.raises(SpatempoError, match="none of its 1 videos can be read"):
        attention_weights(Parallel(), grey_videos(tmp_path / "b", None))
