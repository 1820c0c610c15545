"""Gate statistics, against hand-computed values."""

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
from spatempo.evaluation.inside.gates import gate_maps, gate_statistics
from spatempo.inputs.spec import Preprocess
from spatempo.models.registry import create_model
from spatempo.operators.context import ForwardContext
from spatempo.operators.gate_shift import GateShift, gate_shift
from spatempo.operators.gate_shift_fuse import GateShiftFuse

GREY = Preprocess(frames=2, size=8, resize=8, mean=(0, 0, 0), std=(1, 1, 1))


class TwoShifts(nn.Module):
    """Two gated shifts of two channels; both get the image as input."""

    def __init__(self, kind: type[GateShift] = GateShift, **options: bool) -> None:
        super().__init__()
        self.preprocess, self.classes = GREY, list(CLASSES)
        self.context = ForwardContext()
        self.backbone = nn.Sequential(*(kind(self.context, 2, **options) for _ in range(2)))
        for shift in self.backbone:
            nn.init.zeros_(shift.conv3D.weight)  # pyright: ignore

    def __getitem__(self, i: int) -> Any:
        return self.backbone[i]

    def forward(self, clip: Tensor) -> Tensor:
        self.context.open(clip.shape[2])
        try:
            frames = clip[:, :2].transpose(1, 2).flatten(0, 1)
            self.out = [shift(frames) for shift in self.backbone]
        finally:
            self.context.close()
        return self.out[-1].unflatten(0, (len(clip), -1)).mean((1, 3, 4))


@torch.no_grad()
def test_gate_with_zero_weights_is_the_tanh_of_its_bias(tmp_path: Path) -> None:
    model = TwoShifts()
    model[0].conv3D.bias.copy_(torch.tensor([0.3, -0.7]))
    model[1].conv3D.bias.copy_(torch.tensor([1.5, 0]))  # tanh(1.5) is above 0.9
    found = gate_statistics(model, grey_videos(tmp_path, 40, 200, 120))
    first, second = found.layers
    assert [half.source_frame for half in first.halves] == ["next", "previous"]
    for half, bias, full in zip(first.halves + second.halves, (0.3, -0.7, 1.5, 0), (0, 0, 1, 0), strict=True):
        assert half.mean == pytest.approx(math.tanh(bias), abs=1e-6)
        assert half.open == pytest.approx(abs(math.tanh(bias)), abs=1e-6)
        assert (half.fully_open, half.spread) == (full, pytest.approx(0, abs=1e-6))
        assert half.fusion_weight is None
    assert first.open == pytest.approx((math.tanh(0.3) + math.tanh(0.7)) / 2, abs=1e-6)
    assert first.mean == pytest.approx((math.tanh(0.3) - math.tanh(0.7)) / 2, abs=1e-6)
    assert found.open == pytest.approx((first.open + second.open) / 2, abs=1e-6)
    assert (found.fully_open, found.n, found.unreadable) == (0.25, 3, [])
    assert [row.layer for row in found.layers] == ["0", "1"]
    document = found.to_json()
    assert set(document) == {"n", "open", "spread", "mean", "fully_open", "layers", "unreadable"}
    assert set(document["layers"][0]) == {"layer", "stage", "open", "spread", "mean", "fully_open", "halves"}
    assert set(document["layers"][0]["halves"][0]) == {"source_frame", "open", "spread", "mean", "fully_open"}
    assert document["layers"][1]["halves"][0]["open"] == second.halves[0].open


@torch.no_grad()
def test_statistics_include_all_positions_and_videos(tmp_path: Path) -> None:
    """The gate of the first half sees the previous frame with weight 2: 0 in the first frame, 2 v in the second."""
    model = TwoShifts()
    model[0].conv3D.weight[0, 0, 0, 1, 1] = 2
    videos = grey_videos(tmp_path, 0, 255)
    half = gate_statistics(model, videos).layers[0].halves[0]
    v = 1 / math.sqrt(1 + 1e-5)  # white, after a batch norm with initial statistics
    white = math.tanh(2 * v) / 2
    assert half.open == pytest.approx(statistics.mean([0, white]), abs=1e-5)
    assert half.spread == pytest.approx(statistics.stdev([0, white]), abs=1e-5)
    assert half.fully_open == 1 / 4  # tanh(2) is 0.96, in one of two frames of one of two videos
    clip = torch.ones(1, 3, 2, 8, 8)
    gate = gate_maps(model, clip)["0"]
    assert gate.shape == (2, 2, 8, 8)
    expected = torch.zeros(2, 2, 8, 8)
    expected[1, 0] = math.tanh(2 * v)
    torch.testing.assert_close(gate, expected)


def test_gate_maps_are_the_gates_of_the_forward_pass() -> None:
    model = randomise(TwoShifts(), size=8)
    clip = torch.rand(1, 3, 2, 8, 8)
    maps = gate_maps(model, clip)
    for name, out in zip(maps, model.out, strict=True):  # pyright: ignore
        assert maps[name].abs().max() > 0.05
        torch.testing.assert_close(out[None], gate_shift(clip[:, :2].transpose(1, 2), maps[name][None]))


@torch.no_grad()
def test_fusion_weights(tmp_path: Path) -> None:
    model = TwoShifts(GateShiftFuse)
    for shift, biases in ((model[0], (1.0, -2.0)), (model[1], (0.0, 0.0))):
        for conv, bias in zip((shift.channel_conv1, shift.channel_conv2), biases, strict=True):
            conv.weight.zero_()
            conv.bias.fill_(bias)
    found = gate_statistics(model, grey_videos(tmp_path, 40, 200))
    first = found.layers[0]
    sigmoids = [1 / (1 + math.exp(-1)), 1 / (1 + math.exp(2))]
    assert [half.fusion_weight for half in first.halves] == pytest.approx(sigmoids)
    assert first.fusion_weight == pytest.approx(sum(sigmoids) / 2)
    assert found.fusion_weight == pytest.approx(sum(sigmoids) / 4 + 1 / 4)
    assert first.open > 0  # GSF's gates are not zero at the start: their biases are random


def test_both_halves_of_a_causal_gate_come_from_the_previous_frame(tmp_path: Path) -> None:
    (first, _) = gate_statistics(TwoShifts(causal=True), grey_videos(tmp_path, 40)).layers
    assert [half.source_frame for half in first.halves] == ["previous", "previous"]
    assert (first.open, first.spread) == (0, None)


@pytest.mark.parametrize("design", ["gsm", "gsf"])
def test_batch_size_does_not_matter_in_a_network(design: str, tmp_path: Path) -> None:
    model = randomise(create_model(f"{design}_smallresnet", num_classes=2, frames=4, size=16), size=16)
    model.classes = list(CLASSES)
    videos = grey_videos(tmp_path, 10, 200, None, 90, 255)
    one, three = (gate_statistics(model, videos, batch_size=size) for size in (1, 3))
    keys = ("open", "spread", "mean", "fully_open") + (("fusion_weight",) if design == "gsf" else ())
    assert all(row.spread > 1e-4 for row in one.layers)
    for key in keys:
        assert [getattr(row, key) for row in one.layers] == pytest.approx(
            [getattr(row, key) for row in three.layers], abs=1e-5
        )
    where = "conv1" if design == "gsm" else "conv2"
    assert [row.layer for row in one.layers] == [
        f"layer{block}.{where}" for block in ("1.0", "2.0", "2.1", "3.0", "3.1")
    ]
    assert one.n == 4
    assert [Path(bad["path"]).name for bad in one.unreadable] == ["2"]
    assert not any(module._forward_hooks for module in model.modules() if isinstance(module, nn.Identity))


def test_model_without_gates_is_rejected(tmp_path: Path) -> None:
    blind = create_model("tsm_smallresnet", num_classes=2)
    with pytest.raises(SpatempoError, match="no gated shift"):
        gate_statistics(blind, grey_videos(tmp_path, 10))
