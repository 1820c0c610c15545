"""STH convolutions against values worked by hand, one dense 3D kernel, and the masked 3x3."""

from __future__ import annotations

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from spatempo.errors import SpatempoError
from spatempo.operators.base import Reach
from spatempo.operators.call import TimeCall
from spatempo.operators.sth import BranchAttention, kernels_from_image, sth_hybrid, sth_merge
from spatempo.operators.sth_conv import SthConv2d, SthOptions, watch_attention

# three frames of two channels of one pixel
CLIP = torch.tensor([[1, 10], [2, 20], [3, 30.0]]).view(1, 3, 2, 1, 1)


def rows(x: torch.Tensor) -> list[list[float]]:
    return x.reshape(x.shape[1], x.shape[2]).tolist()


def centre(*values: float) -> torch.Tensor:
    """3x3 kernels of one input channel with 9 everywhere (seen by no single pixel) but in the middle."""
    kernels = torch.full((len(values), 1, 3, 3), 9.0)
    kernels[:, 0, 1, 1] = torch.tensor(values)
    return kernels


def run(conv: SthConv2d, clip: torch.Tensor) -> torch.Tensor:
    """On clips ``[B, T, C, H, W]``."""
    conv.call.open(clip.shape[1])
    try:
        return conv(clip.flatten(0, 1)).unflatten(0, clip.shape[:2])
    finally:
        conv.call.close()


def test_hybrid_by_hand():
    """Group 0's filter sees channel 0 through time and channel 1 in space; group 1's the other way round."""
    temporal = torch.tensor([[[1, 10, 100]], [[100, 0, 1.0]]])
    o_s, o_t = sth_hybrid(CLIP, centre(2, 3), temporal)
    assert rows(o_s) == [[20, 3], [40, 6], [60, 9]]
    # 10*1 + 100*2, 1*1 + 10*2 + 100*3, 1*2 + 10*3  and  1*20, 100*10 + 1*30, 100*20
    assert rows(o_t) == [[210, 20], [321, 1030], [32, 2000]]


def test_hybrid_gradient_by_hand():
    clip = CLIP.clone().requires_grad_()
    spatial = centre(2, 3).requires_grad_()
    temporal = torch.tensor([[[1, 10, 100]], [[100, 0, 1.0]]], requires_grad=True)
    o_s, o_t = sth_hybrid(clip, spatial, temporal)
    (o_t[0, 1, 0] + 5 * o_s[0, 1, 0]).sum().backward()  # what the first filter makes of the middle frame
    assert clip.grad is not None
    assert spatial.grad is not None
    assert temporal.grad is not None
    assert rows(clip.grad) == [[1, 0], [10, 5 * 2], [100, 0]]
    assert temporal.grad.tolist() == [[[1, 2, 3]], [[0, 0, 0]]]
    want = torch.zeros(2, 1, 3, 3)
    want[0, 0, 1, 1] = 5 * 20
    assert torch.equal(spatial.grad, want)


def test_merge_by_hand():
    """p = 1/2: the first filter sees both channels through time, the second both in space."""
    temporal = torch.tensor([[[1, 0, 0], [0, 0, 100.0]]])
    spatial = centre(2, 3).view(1, 2, 3, 3)
    o_s, o_t = sth_merge(CLIP, spatial, temporal)
    assert rows(o_s) == [[0, 32], [0, 64], [0, 96]]
    assert rows(o_t) == [[2000, 0], [3001, 0], [2, 0]]


def test_space_has_no_time_and_time_no_space():
    """An impulse spreads over 3x3 pixels of its own frame, and over one pixel of three frames."""
    clip = torch.zeros(1, 5, 2, 5, 5)
    clip[0, 2, :, 2, 2] = 1
    o_s, o_t = sth_hybrid(clip, torch.ones(2, 1, 3, 3), torch.ones(2, 1, 3))
    want_s, want_t = torch.zeros_like(clip), torch.zeros_like(clip)
    want_s[:, 2, :, 1:4, 1:4] = 1
    want_t[:, 1:4, :, 2, 2] = 1
    assert torch.equal(o_s, want_s)
    assert torch.equal(o_t, want_t)


def test_stride_takes_the_same_pixels_in_both_branches():
    clip = torch.arange(25.0).view(1, 1, 1, 5, 5).repeat(1, 1, 2, 1, 1)
    kernel = torch.zeros(2, 1, 3, 3)
    kernel[:, :, 1, 1] = 1
    o_s, o_t = sth_hybrid(clip, kernel, torch.tensor([[[0, 1.0, 0]]] * 2), stride=2)
    assert o_s[0, 0, 0].tolist() == [[0, 2, 4], [10, 12, 14], [20, 22, 24]]
    assert torch.equal(o_s, o_t)


def one_dense_kernel(spatial: torch.Tensor, temporal: torch.Tensor, form: str, groups: int) -> torch.Tensor:
    """Both branches as one 3x3x3 kernel ``[C_out, C_in, 3, 3, 3]``, filled value by value."""
    per_filter_t, per_filter_s = temporal.shape[1], spatial.shape[1]
    total_in = per_filter_t + per_filter_s if form == "hybrid" else per_filter_s
    total_out = spatial.shape[0] if form == "hybrid" else spatial.shape[0] + temporal.shape[0]
    dense = torch.zeros(total_out, total_in, 3, 3, 3, dtype=spatial.dtype)
    for o in range(total_out):
        if form == "merge":
            if o < temporal.shape[0]:
                dense[o, :, :, 1, 1] = temporal[o]
            else:
                dense[o, :, 1] = spatial[o - temporal.shape[0]]
            continue
        group, seen = o // (total_out // groups), 0
        for i in range(total_in):
            if i // (total_in // groups) == group:
                dense[o, i, :, 1, 1] = temporal[o, i % (total_in // groups)]
            else:
                dense[o, i, 1] = spatial[o, seen]
                seen += 1
    return dense


@settings(deadline=None, max_examples=60)
@given(
    form=st.sampled_from(["hybrid", "merge"]),
    groups=st.sampled_from([2, 3, 4, 8]),
    width_in=st.integers(1, 3),
    width_out=st.integers(1, 3),
    frames=st.integers(1, 5),
    side=st.integers(1, 6),
    stride=st.integers(1, 2),
    last=st.booleans(),
)
def test_equals_one_dense_3d_convolution_forward_and_backward(
    form, groups, width_in, width_out, frames, side, stride, last
):
    conv = SthConv2d(
        TimeCall(),
        groups * width_in,
        groups * width_out,
        stride=stride,
        p=1 / groups,
        form=form,
        integration="sum",
    ).double()
    clip = torch.randn(2, frames, groups * width_in, side, side + 1, dtype=torch.float64)
    if last:
        clip = clip.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
    clip.requires_grad_()
    out = run(conv, clip)
    dense = one_dense_kernel(conv.spatial_weight, conv.temporal_weight, form, groups)
    want = F.conv3d(clip.transpose(1, 2), dense, stride=(1, stride, stride), padding=1).transpose(1, 2)
    torch.testing.assert_close(out, want)
    grad = torch.randn_like(want)
    leaves = (clip, conv.spatial_weight, conv.temporal_weight)
    for a, b in zip(torch.autograd.grad(out, leaves, grad), torch.autograd.grad(want, leaves, grad), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("groups", [2, 4, 8])
@torch.no_grad()
def test_hybrid_equals_a_masked_3x3_beside_a_grouped_temporal_convolution(groups):
    """The other way to write it: one dense 3x3 whose block diagonal is zero; 2D weights as from_image gives them."""
    weight = torch.randn(16, 8, 3, 3)
    spatial, temporal = kernels_from_image(weight, groups, "hybrid", "shift")
    clip = torch.randn(2, 5, 8, 6, 6)
    o_s, o_t = sth_hybrid(clip, spatial, temporal)
    mask = 1 - torch.block_diag(*[torch.ones(16 // groups, 8 // groups)] * groups)
    want_s = F.conv2d(clip.flatten(0, 1), weight * mask[:, :, None, None], padding=1).view_as(o_s)
    pixels = clip.permute(0, 3, 4, 2, 1).reshape(-1, 8, 5)  # [B*H*W, C, T]
    want_t = F.conv1d(pixels, temporal, padding=1, groups=groups).view(2, 6, 6, 16, 5).permute(0, 4, 3, 1, 2)
    torch.testing.assert_close(o_s, want_s)
    torch.testing.assert_close(o_t, want_t)
    assert spatial.numel() + temporal.numel() == 16 * 8 * (9 * (1 - 1 / groups) + 3 / groups)


@pytest.mark.parametrize("form", ["hybrid", "merge"])
@pytest.mark.parametrize("integration", ["sum", "attention"])
@pytest.mark.parametrize("stride", [1, 2])
@torch.no_grad()
def test_keeps_the_memory_layout_and_clips_apart(form, integration, stride):
    conv = SthConv2d(TimeCall(), 8, 8, stride=stride, form=form, integration=integration)
    if conv.attention is not None:
        nn.init.normal_(conv.attention.fc.weight)
    clip = torch.randn(3, 4, 8, 6, 6)
    out = run(conv, clip)
    last = run(conv, clip.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3))
    torch.testing.assert_close(last, out)
    assert last.flatten(0, 1).is_contiguous(memory_format=torch.channels_last)
    for i in range(3):
        torch.testing.assert_close(run(conv, clip[i : i + 1]), out[i : i + 1])


# --- attention -------------------------------------------------------------------------------------------------------


def test_attention_by_hand():
    """Means over T, H and W; one layer for both; softmax over the branches."""
    attention = BranchAttention(2)
    with torch.no_grad():
        # channel 0 counts its own mean, channel 1 the mean of channel 0
        attention.fc.weight.copy_(torch.tensor([[math.log(3) / 2, 0], [-math.log(2), 0]]))
        attention.fc.bias.copy_(torch.tensor([5.0, -7.0]))
    spatial = torch.tensor([[1, 100], [3, 100.0]]).view(1, 2, 2, 1, 1).repeat(1, 1, 1, 2, 2)  # means 2, 100
    temporal = torch.tensor([[4, 0], [-4, 0.0]]).view(1, 2, 2, 1, 1).repeat(1, 1, 1, 2, 2)  # means 0, 0
    shares = attention(spatial, temporal)
    # e^(ln 3) : 1 and 1/4 : 1; the bias, the same in both branches, drops out
    torch.testing.assert_close(shares, torch.tensor([[[3 / 4, 1 / 5], [1 / 4, 4 / 5]]]))
    shares[0, 0].sum().backward()
    assert attention.fc.bias.grad is not None
    torch.testing.assert_close(attention.fc.bias.grad, torch.zeros(2))


def test_attention_weighs_each_channel_of_a_clip_and_all_its_frames_alike():
    conv = SthConv2d(TimeCall(), 8, 8, p=1 / 2, scale=1)
    assert conv.attention is not None
    nn.init.normal_(conv.attention.fc.weight, std=3)
    clip = torch.randn(2, 3, 8, 4, 4)
    with watch_attention(conv) as seen, torch.no_grad():
        out = run(conv, clip)
        o_s, o_t = sth_hybrid(clip, conv.spatial_weight, conv.temporal_weight)
    (shares,) = seen.values()
    assert shares.shape == (2, 2, 8)
    torch.testing.assert_close(shares.sum(1), torch.ones(2, 8))
    assert (shares[0] - shares[1]).abs().max() > 0.1
    for b in range(2):
        for c in range(8):
            torch.testing.assert_close(out[b, :, c], shares[b, 0, c] * o_s[b, :, c] + shares[b, 1, c] * o_t[b, :, c])


@pytest.mark.parametrize("form", ["hybrid", "merge"])
@torch.no_grad()
def test_attention_starts_at_one_half(form):
    conv = SthConv2d(TimeCall(), 8, 8, form=form)
    plain = SthConv2d(TimeCall(), 8, 8, form=form, integration="sum")
    half = SthConv2d(TimeCall(), 8, 8, form=form, scale=1)
    plain.load_state_dict({k: v for k, v in conv.state_dict().items() if not k.startswith("attention")})
    half.load_state_dict(conv.state_dict())
    clip = torch.randn(1, 4, 8, 5, 5)
    with watch_attention(conv) as seen:
        want = run(conv, clip)
    assert torch.equal(seen[""], torch.full((1, 2, 8), 0.5))
    torch.testing.assert_close(run(plain, clip), want)
    torch.testing.assert_close(run(half, clip), want / 2)


def test_watching_leaves_nothing_behind():
    model = nn.Sequential(SthConv2d(TimeCall(), 8, 8))
    call = TimeCall()
    model.append(SthConv2d(call, 8, 8, integration="sum"))
    with watch_attention(model) as seen:
        twin = copy.deepcopy(model)
        run(model[0], torch.randn(1, 2, 8, 3, 3))
        assert list(seen) == ["0"]
        assert not seen["0"].requires_grad
        first = seen["0"]
        run(model[0], torch.randn(1, 2, 8, 3, 3))
        assert seen["0"] is not first
    last = seen["0"]
    run(model[0], torch.randn(1, 2, 8, 3, 3))
    assert seen["0"] is last
    assert not model[0].attention._forward_hooks
    assert all(v.requires_grad and v.is_leaf for v in twin.parameters())
    copy.deepcopy(model)


# --- from image weights ----------------------------------------------------------------------------------------------

# two filters over two channels: nine values 1..9, times 1, 10, 100 and 1000
NINE = torch.arange(1.0, 10).view(3, 3)
WEIGHT = torch.stack([torch.stack([NINE, 10 * NINE]), torch.stack([100 * NINE, 1000 * NINE])])


@pytest.mark.parametrize(
    ("init", "taps"),
    [
        ("sum", [[[0, 45, 0]], [[0, 45000, 0]]]),
        ("centre", [[[0, 5, 0]], [[0, 5000, 0]]]),
        ("inflate", [[[15, 15, 15]], [[15000, 15000, 15000]]]),
        ("shift", [[[45, 0, 0]], [[45000, 0, 0]]]),  # half of one channel is none: both read the past
    ],
)
def test_hybrid_kernels_from_image_by_hand(init, taps):
    spatial, temporal = kernels_from_image(WEIGHT, 2, "hybrid", init)
    assert torch.equal(spatial, torch.stack([10 * NINE, 100 * NINE]).unsqueeze(1))
    assert temporal.tolist() == taps


def test_merge_kernels_from_image_by_hand():
    spatial, temporal = kernels_from_image(WEIGHT, 2, "merge", "shift")
    assert torch.equal(spatial, WEIGHT[1:])
    assert temporal.tolist() == [[[0, 0, 45], [450, 0, 0]]]  # first channel from the next frame, second from the last


def image_conv(**options: object) -> nn.Conv2d:
    conv = nn.Conv2d(8, 16, 3, padding=1, bias=False, **options)  # pyright: ignore[reportArgumentType]
    nn.init.normal_(conv.weight)
    return conv


@pytest.mark.parametrize("integration", ["sum", "attention"])
@pytest.mark.parametrize("form", ["hybrid", "merge"])
@pytest.mark.parametrize("stride", [1, 2])
@torch.no_grad()
def test_from_image_answers_as_the_2d_convolution_where_it_can(integration, form, stride):
    conv = image_conv(stride=stride)
    sth = SthConv2d.from_image(conv, TimeCall(), p="1/4", form=form, integration=integration)
    flat = torch.randn(1, 3, 8, 1, 1).expand(
        1, 3, 8, 7, 7
    )  # each frame one colour: inside, all 3x3 values see the same
    inside = (..., slice(1, 3), slice(1, 3))
    torch.testing.assert_close(run(sth, flat)[inside], conv(flat[0]).unsqueeze(0)[inside], rtol=1e-4, atol=1e-4)
    any_clip = torch.randn(1, 3, 8, 7, 7)
    assert (run(sth, any_clip)[0] - conv(any_clip[0])).abs().max() > 0.5  # no choice reproduces the 2D network
    still = flat[:, :1].expand(1, 3, 8, 7, 7)
    inflated = SthConv2d.from_image(conv, TimeCall(), form=form, integration=integration, init="inflate")
    assert (inflated.temporal_weight[:, :, 0] != 0).all()
    want = conv(still[0]).unsqueeze(0)[inside]
    torch.testing.assert_close(run(inflated, still)[inside][:, 1], want[:, 1], rtol=1e-4, atol=1e-4)
    # a 2D kernel that is its middle value only is kept whole
    conv.weight.mul_(torch.tensor([0, 1, 0.0]).outer(torch.tensor([0, 1, 0.0])))
    for init in ("sum", "centre"):
        point = SthConv2d.from_image(conv, TimeCall(), form=form, integration=integration, init=init)
        torch.testing.assert_close(run(point, any_clip)[0], conv(any_clip[0]), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_random_weights_have_the_scale_of_the_3x3s():
    conv = nn.Conv2d(64, 64, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    clip = torch.randn(1, 8, 64, 14, 14)
    want = float(conv(clip[0]).std())
    for form in ("hybrid", "merge"):
        for integration in ("sum", "attention"):
            sth = SthConv2d.like(conv, TimeCall(), form=form, integration=integration)
            assert float(run(sth, clip).std()) == pytest.approx(want, rel=0.08)
            assert len(set(sth.temporal_weight.flatten().tolist())) > 100  # drawn, not copied


# --- options and refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("p", "groups"),
    [
        (0, 0),
        ("0", 0),
        (1 / 8, 8),
        ("1/8", 8),
        ("0.125", 8),
        (0.25, 4),
        (0.5, 2),
        ("2/8", 4),
        (1 / 3, 3),
        (" 1 / 3 ", 3),
    ],
)
def test_p_as_number_or_text(p, groups):
    assert SthOptions(p=p).groups == groups


@pytest.mark.parametrize(
    "p", [1, "1/1", 0.3, "3/8", -0.25, "1/0", "quarter", None, True, float("nan"), float("inf"), 1e-320]
)
def test_p_must_be_a_unit_fraction(p):
    with pytest.raises(ValueError, match="unit fraction"):
        SthOptions(p=p)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "mixed"}, "form must be one of hybrid, merge, got 'mixed'"),
        ({"integration": "mean"}, "integration must be one of attention, sum"),
        ({"init": "zero"}, "init must be one of sum, centre, inflate, shift"),
        ({"scale": 0}, "scale"),
        ({"scale": "2"}, "scale"),
        ({"p": 0}, "p = 0"),
        ({"p": 1 / 3}, "3 equal groups"),
    ],
)
def test_refuses_what_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        SthConv2d(TimeCall(), 8, 8, **options)


@pytest.mark.parametrize(
    ("conv", "message"),
    [
        (nn.Conv2d(8, 8, 3, padding=1, bias=False, groups=2), "layer7 has 2 groups"),
        (nn.Conv2d(8, 8, 3, padding=1, bias=False, groups=8), "depthwise"),
        (nn.Conv2d(8, 8, 1, bias=False), "layer7 is Conv2d"),
        (nn.Conv2d(8, 8, 3, padding=2, dilation=2, bias=False), "dilation"),
        (nn.Conv2d(8, 8, 3, padding=1), "bias"),
        (nn.Conv2d(6, 8, 3, padding=1, bias=False), "layer7: p = 1/4"),
        (nn.Linear(8, 8), "Linear"),
    ],
)
def test_refuses_convolutions_that_it_cannot_replace(conv, message):
    with pytest.raises(SpatempoError, match=message) as error:
        SthConv2d.like(conv, TimeCall(), "layer7")
    assert "\n" not in str(error.value)


def test_reach_by_gradient():
    for integration, reach, seen in (("sum", Reach(1, 1), [2, 3, 4]), ("attention", None, list(range(7)))):
        conv = SthConv2d(TimeCall(), 8, 8, integration=integration)
        if conv.attention is not None:
            nn.init.normal_(conv.attention.fc.weight)
        assert conv.reach == reach
        clip = torch.randn(1, 7, 8, 4, 4, requires_grad=True)
        run(conv, clip)[:, 3].square().sum().backward()
        assert clip.grad is not None
        assert [t for t in range(7) if clip.grad[0, t].abs().max() > 0] == seen


def test_what_it_says_of_itself():
    said = SthConv2d(TimeCall(), 8, 16, stride=2, p="1/8").extra_repr()
    assert said == "8, 16, stride=2, p=1/8, hybrid, attention, scale=2"
    assert SthConv2d(TimeCall(), 8, 8, form="merge", integration="sum").extra_repr().endswith("merge, sum")
