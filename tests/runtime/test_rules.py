"""Rules of single designs: equal to the operators' own computation, in every variant and both layouts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from networks import clips, small
from torch import nn

from spatempo.models.video_model import VideoModel
from spatempo.operators.sth_conv import SthConv2d
from spatempo.runtime.forms import best_layout
from spatempo.runtime.graph import aten
from spatempo.runtime.rewrite import Rewritten, rewrite
from spatempo.runtime.rules import Layout

STH: dict[str, dict[str, Any]] = {
    "hybrid, attention": {},
    "hybrid, sum": {"integration": "sum"},
    "merge, attention": {"form": "merge"},
    "merge, sum": {"form": "merge", "integration": "sum"},
    "two groups": {"p": "1/2"},
    "eight groups, scale 1": {"p": "1/8", "scale": 1.0},
}
GATES: list[tuple[str, dict[str, Any]]] = [
    ("gsm_smallresnet", {}),
    ("gsm_smallresnet", {"causal": True}),
    ("gsm_smallresnet", {"placement": "conv1"}),
    ("gsf_smallresnet", {}),
    ("gsf_smallresnet", {"causal": True}),
    ("gsf_smallresnet", {"placement": "conv1"}),
]


@torch.no_grad()
def check(model: VideoModel, rewritten: Rewritten, times: tuple[int, ...] = (4, 5, 1)) -> None:
    """Asserts equal logits in float64, and that frame order matters."""
    for batch, frames in zip((2, 1, 3), times, strict=False):
        clip = clips(frames, batch).double()
        want = model(clip)
        assert (rewritten.module(clip) - want).abs().max() < 1e-9 * want.abs().max(), (batch, frames)
    clip = clips(times[0]).double()
    assert (model(clip) - model(clip.flip(2))).abs().max() > 1e-3 * model(clip).abs().max()


def sth(options: dict[str, Any]) -> VideoModel:
    model = small("sth_smallresnet", **options).double()
    for operator in model.operators:
        assert isinstance(operator, SthConv2d)
        if operator.attention is not None:  # weights that differ per channel and clip
            nn.init.normal_(operator.attention.fc.weight, std=0.3)
    return model


@pytest.mark.parametrize("variant", STH)
def test_sth(variant: str) -> None:
    model = sth(STH[variant])
    rewritten = rewrite(model, layout="clips")
    assert rewritten.own_mix == {}
    check(model, rewritten)


def test_sth_keeps_a_batch_norm_with_a_zero_scale() -> None:
    model = sth({})
    with torch.no_grad():
        model.get_submodule("backbone.layer1.0.bn1").weight[3] = 0  # attention divides by the scale
    rewritten = rewrite(model, layout="clips")
    check(model, rewritten)
    norms = [n for n in rewritten.module.graph.nodes if n.target is aten._native_batch_norm_legit_no_training.default]
    assert len(norms) == 1


def test_sth_folds_all_batch_norms_and_has_two_convolutions_per_operator() -> None:
    model = sth({"integration": "sum"})
    graph = rewrite(model, layout="clips").module.graph
    targets = [node.target for node in graph.nodes]
    assert aten._native_batch_norm_legit_no_training.default not in targets
    assert aten.cat.default not in targets
    assert targets.count(aten.conv3d.default) == 1 + 2 + 2 * len(model.operators)  # stem, two shortcuts


@pytest.mark.parametrize(("name", "options"), GATES)
def test_gates(name: str, options: dict[str, Any]) -> None:
    model = small(name, **options).double()
    rewritten = rewrite(model)
    assert rewritten.own_mix == {}
    check(model, rewritten)


def test_the_released_shuffle_of_gsm_has_no_rule() -> None:
    model = small("gsm_smallresnet", shuffle=True).double()
    rewritten = rewrite(model)
    assert rewritten.own_mix == {"GateShift": 5}
    check(model, rewritten)


@pytest.mark.parametrize(
    "options", [{}, {"causal": True}, {"shift_div": 2}, {"shift_div": 4}, {"padding": "circulant"}]
)
def test_the_shift_as_a_convolution_over_time(options: dict[str, Any]) -> None:
    model = small("tsm_smallresnet", **options).double()
    rewritten = rewrite(model, "taps", layout="clips")
    check(model, rewritten)
    groups = [node.args[6] for node in rewritten.module.graph.nodes if node.target is aten.conv3d.default]
    assert sum(count > 1 for count in groups) == (0 if "padding" in options else 5)


@pytest.mark.parametrize("options", [{}, {"placement": "headtail"}, {"shift": "off", "blocks": "all"}])
def test_vsn(options: dict[str, Any]) -> None:
    model = small("vsn_smallresnet", **options).double()
    rewritten = rewrite(model)
    assert rewritten.own_mix == {}
    check(model, rewritten, (4, 4, 4))


@pytest.mark.parametrize(
    "name", ["tsm_smallresnet", "tsn_mobilenet_v2", "tsm_bninception", "gsm_smallresnet", "mc3_18"]
)
def test_maps_of_clips(name: str) -> None:
    size = {"tsn_mobilenet_v2": 32, "tsm_bninception": 64}.get(name, 32)
    model = small(name, size=size).double()
    rewritten = rewrite(model, layout="clips")
    with torch.no_grad():
        for batch, frames in ((2, 4), (1, 4), (3, 4)):
            clip = clips(frames, batch, size).double()
            want = model(clip)
            assert (rewritten.module(clip) - want).abs().max() < 1e-9 * want.abs().max()


@pytest.mark.parametrize(
    ("name", "kind", "layout"),
    [
        ("sth_smallresnet", "openvino", "clips"),
        ("sth_smallresnet", "onnx", "frames"),
        ("tsm_smallresnet", "openvino", "frames"),
    ],
)
def test_the_layout_of_a_file(name: str, kind: str, layout: Layout) -> None:
    model = small(name)
    assert best_layout(model, kind, "sum") == layout
    assert best_layout(model, kind, "taps") == ("clips" if kind == "openvino" else "frames")
