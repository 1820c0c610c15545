"""The rewritten network computes the same numbers as the model: all forms, any B and T, clips and steps."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import clips, small
from torch import Tensor, fx, nn

from spatempo import SpatempoError, register_design
from spatempo.models.build import Build, Parts
from spatempo.models.design import DESIGNS
from spatempo.models.seams import cut_after, plug_at_conv
from spatempo.models.video_model import VideoModel
from spatempo.operators.context import ForwardContext
from spatempo.operators.shift import Padding, TemporalShift, temporal_shift
from spatempo.runtime.graph import trace
from spatempo.runtime.rewrite import Rewritten, rewrite
from spatempo.runtime.rules import Form, Site
from spatempo.runtime.rules.shift import SHIFT
from spatempo.runtime.streams import Streams
from spatempo.runtime.time_major import operator_call

FORMS: tuple[Form, ...] = ("whole", "concat", "sum")  # "taps" is for another layout, see test_rules.py
EXACT = 1e-10  # of the largest value, in float64
SHIFTS: dict[str, dict[str, Any]] = {
    "residual": {},
    "inplace": {"placement": "inplace"},
    "causal": {"causal": True},
    "causal inplace": {"causal": True, "placement": "inplace"},
    "circulant": {"padding": "circulant"},
    "all channels move": {"shift_div": 2},
    "half of the channels move": {"shift_div": 4},
    "all channels but one group stay": {"shift_div": 2, "causal": True},
    "every second block": {"every": 2},
    "non_local": {"non_local": True},
    "temporal_pool": {"temporal_pool": True},
}
# the smallest test configurations of each design, as in tests/models/test_contract.py
SMALL = {f"{d.name} {label}".strip(): case for d in DESIGNS.values() for label, case in d.test_configurations.items()}


def largest_difference(got: Tensor, want: Tensor) -> float:
    """Largest difference as a fraction of the largest value."""
    assert got.shape == want.shape
    return float((got - want).abs().max() / want.abs().max())


@torch.no_grad()
def check_clips(model: VideoModel, rewritten: Rewritten, size: int, times: tuple[int, ...] = (1, 2, 5, 8)) -> None:
    """Asserts equal logits for B = 1, 2, 3 and the given T, and that these depend on the order of frames."""
    for frames in times:
        for batch in (1, 2, 3):
            clip = clips(frames, batch, size).double()
            want = model(clip)
            assert largest_difference(rewritten.module(clip), want) < EXACT, (batch, frames)
            if frames > 2:
                assert largest_difference(model(clip.flip(2)), want) > 1e-3, "frame order has no effect"


@torch.no_grad()
def check_steps(model: VideoModel, rewritten: Rewritten, size: int, frames: int = 5) -> None:
    """Asserts that steps give the logits of whole clips, after the last frame and before."""
    for batch in (1, 2, 3):
        clip = clips(frames * model.step_frames, batch, size).double()
        if not DESIGNS[model.design].order_blind:
            assert largest_difference(model(clip.flip(2)), model(clip)) > 1e-3, "frame order has no effect"
        state, expected = model.init_state(batch, size), model.init_state(batch, size)
        for count, part in enumerate(clip.split(model.step_frames, 2), 1):
            logits, state = rewritten.module(part, state)
            _, expected = model.step(part, expected)
            for got, want in zip(state, expected, strict=True):
                torch.testing.assert_close(got, want, rtol=0, atol=EXACT * max(1.0, float(want.abs().max())))
            so_far = clip[:, :, : count * model.step_frames]
            assert largest_difference(logits, model(so_far)) < EXACT, count


@pytest.mark.parametrize("variant", SHIFTS)
def test_tsm_in_every_variant(variant: str) -> None:
    check_variant(variant, "sum")


@pytest.mark.slow
@pytest.mark.parametrize("form", [form for form in FORMS if form != "sum"])
@pytest.mark.parametrize("variant", ["residual", "inplace", "causal", "circulant"])
def test_tsm_in_the_other_forms(variant: str, form: Form) -> None:
    check_variant(variant, form)


def check_variant(variant: str, form: Form) -> None:
    model = small("tsm_smallresnet", **SHIFTS[variant]).double()
    rewritten = rewrite(model, form)
    others = {"non_local": {"NonLocal"}, "temporal_pool": {"TemporalPool"}}.get(variant, set())
    assert set(rewritten.own_mix) == others
    check_clips(model, rewritten, 32)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("variant", ["causal", "causal inplace", "all channels but one group stay"])
def test_steps_of_tsm_in_every_form(variant: str, form: Form) -> None:
    model = small("tsm_smallresnet", **SHIFTS[variant]).double()
    check_steps(model, rewrite(model, form, streaming=True), 32)


@torch.no_grad()
def test_a_shift_that_moves_no_channel() -> None:
    model = small("tsm_smallresnet", shift_div=1000).double()
    clip = clips(4).double()
    rewritten = rewrite(model)
    assert largest_difference(rewritten.module(clip), model(clip)) < EXACT
    causal = small("tsm_smallresnet", shift_div=1000, causal=True).double()
    state = causal.init_state(2, 32)
    logits, _ = rewrite(causal, streaming=True).module(clip[:, :, :1], state)
    assert largest_difference(logits, causal(clip[:, :, :1])) < EXACT


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["tsm_mobilenet_v2", "tsm_bninception", "tsm_resnet50"])
def test_tsm_on_other_backbones(name: str, form: Form) -> None:
    model = small(name, size=64).double()
    check_clips(model, rewrite(model, form), 64, (1, 5))


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_steps_of_mobilenet(form: Form) -> None:
    model = small("tsm_mobilenet_v2", size=64, causal=True).double()
    check_steps(model, rewrite(model, form, streaming=True), 64, 3)


@pytest.mark.slow
@pytest.mark.parametrize("design", sorted(SMALL))
def test_the_smallest_configuration_of_every_design(design: str) -> None:
    backbone, options = SMALL[design]
    model = small(design.split()[0], backbone=backbone, **options).double()
    rewritten = rewrite(model)
    free = rewritten.dynamic_shapes[0].keys()
    with torch.no_grad():
        for batch in (1, 2, 3):
            for frames in (4, 5, 8) if 2 in free else (4,):
                clip = clips(frames, batch).double()
                want = model(clip)
                assert largest_difference(rewritten.module(clip), want) < EXACT
                changed = largest_difference(model(clip.flip(2)), want)
                assert (changed > 1e-3) != DESIGNS[design.split()[0]].order_blind


BLOCKS = {"layer1.0": 32, "layer2.0": 64, "layer2.1": 64, "layer3.0": 128, "layer3.1": 128}  # and their widths


@pytest.mark.parametrize("form", ["whole", "sum"])
@torch.no_grad()
def test_every_block_in_float32(form: Form) -> None:
    for number, (last, width) in enumerate(BLOCKS.items(), 1):
        try:

            @register_design("ending", source="a test", backbones=("smallresnet",))
            def ending(build: Build, last: str = last, width: int = width, number: int = number) -> Parts:
                cut_after(build, last)
                for name in list(BLOCKS)[:number]:
                    plug_at_conv(build, f"{name}.conv1", TemporalShift(build.context))
                return Parts(head=build.linear_head(width))

            model = small("ending_smallresnet")
        finally:
            DESIGNS.pop("ending", None)
        want = model(clips())
        assert largest_difference(model(clips().flip(2)), want) > 1e-3, "frame order has no effect"
        assert largest_difference(rewrite(model, form).module(clips()), want) < 1e-5, last


@torch.no_grad()
def test_the_model_itself_does_not_change() -> None:
    model = small("tsm_smallresnet").train()
    weights, context = copy.deepcopy(model.state_dict()), model.context
    rewrite(model)
    assert model.training
    assert model.context is context
    assert all(operator.context is context for operator in model.operators)
    assert all("forward" not in vars(operator) for operator in model.operators)
    for name, value in model.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_wrong_arguments() -> None:
    with pytest.raises(SpatempoError, match=r"form 'fast' is not known; choose from whole, concat, sum"):
        rewrite(small("tsm_smallresnet"), "fast")  # pyright: ignore[reportArgumentType]
    with pytest.raises(SpatempoError, match="future frames"):
        rewrite(small("tsm_smallresnet"), streaming=True)


class _OneShift(nn.Module):
    """A graph of one call of an operator on time-major maps."""

    def __init__(self, clips: int, frames: int) -> None:
        super().__init__()
        self.clips, self.frames = clips, frames

    def forward(self, x: Tensor) -> Tensor:
        return operator_call(x, self.clips, self.frames, 0, x.shape[1], 1)


@given(
    batch=st.integers(1, 3), frames=st.integers(1, 6), channels=st.integers(1, 20), div=st.integers(2, 24),
    causal=st.booleans(), circulant=st.booleans(), form=st.sampled_from(FORMS),
)  # fmt: skip
@settings(max_examples=25)
def test_the_rule_of_the_shift(
    batch: int, frames: int, channels: int, div: int, causal: bool, circulant: bool, form: Form
) -> None:
    padding: Padding = "circulant" if circulant and not causal else "zero"
    clip = torch.randn(batch, frames, channels, 2, 3)
    x = clip.transpose(0, 1).flatten(0, 1)
    graph = trace(_OneShift(batch, frames), (x,), None)
    (call,) = graph.nodes(torch.ops.spatempo.operator.default)
    shift = TemporalShift(ForwardContext(), div=div, causal=causal, padding=padding)
    source = call.args[0]
    assert isinstance(source, fx.Node)
    streams = Streams(graph)
    SHIFT.clip(Site(graph, streams, call, shift, source, batch, frames, form, "frames"))
    streams.finish()
    got = graph.finish()(x).unflatten(0, (frames, batch)).transpose(0, 1)
    assert torch.equal(got, temporal_shift(clip, div, causal=causal, padding=padding))
