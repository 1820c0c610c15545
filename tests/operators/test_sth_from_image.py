"""STH kernels made from a 2D convolution, by hand and by the output of the new convolution."""

from __future__ import annotations

import pytest
import torch
from bare_operators import run
from torch import nn

from spatempo.operators.context import ForwardContext
from spatempo.operators.sth import kernels_from_image
from spatempo.operators.sth_conv import SthConv2d

# two filters with two channels: values 1..9, times 1, 10, 100 and 1000
NINE = torch.arange(1.0, 10).view(3, 3)
WEIGHT = torch.stack([torch.stack([NINE, 10 * NINE]), torch.stack([100 * NINE, 1000 * NINE])])


@pytest.mark.parametrize(
    ("init", "taps"),
    [
        ("sum", [[[0, 45, 0]], [[0, 45000, 0]]]),
        ("centre", [[[0, 5, 0]], [[0, 5000, 0]]]),
        ("inflate", [[[15, 15, 15]], [[15000, 15000, 15000]]]),
        (
            "shift",
            [[[45, 0, 0]], [[45000, 0, 0]]],
        ),  # half of one channel rounds to zero channels: both read the previous frame
    ],
)
def test_hybrid_kernels_from_image_by_hand(init, taps):
    spatial, temporal = kernels_from_image(WEIGHT, 2, "hybrid", init)
    assert torch.equal(spatial, torch.stack([10 * NINE, 100 * NINE]).unsqueeze(1))
    assert temporal.tolist() == taps


def test_merge_kernels_from_image_by_hand():
    spatial, temporal = kernels_from_image(WEIGHT, 2, "merge", "shift")
    assert torch.equal(spatial, WEIGHT[1:])
    assert temporal.tolist() == [
        [[0, 0, 45], [450, 0, 0]]
    ]  # first channel from the next frame, second from the previous one


def image_conv(**options: object) -> nn.Conv2d:
    conv = nn.Conv2d(8, 16, 3, padding=1, bias=False, **options)  # pyright: ignore[reportArgumentType]
    nn.init.normal_(conv.weight)
    return conv


@pytest.mark.parametrize("integration", ["sum", "attention"])
@pytest.mark.parametrize("form", ["hybrid", "merge"])
@pytest.mark.parametrize("stride", [1, 2])
@torch.no_grad()
def test_from_image_equals_the_2d_convolution_where_possible(integration, form, stride):
    conv = image_conv(stride=stride)
    sth = SthConv2d.from_image(conv, ForwardContext(), p="1/4", form=form, integration=integration)
    flat = torch.randn(1, 3, 8, 1, 1).expand(1, 3, 8, 7, 7)  # constant within each frame
    inside = (..., slice(1, 3), slice(1, 3))
    torch.testing.assert_close(run(sth, flat)[inside], conv(flat[0]).unsqueeze(0)[inside], rtol=1e-4, atol=1e-4)
    any_clip = torch.randn(1, 3, 8, 7, 7)
    assert (
        run(sth, any_clip)[0] - conv(any_clip[0])
    ).abs().max() > 0.5  # no init reproduces the 2D convolution on every input
    still = flat[:, :1].expand(1, 3, 8, 7, 7)
    inflated = SthConv2d.from_image(conv, ForwardContext(), form=form, integration=integration, init="inflate")
    assert (inflated.temporal_weight[:, :, 0] != 0).all()
    expected = conv(still[0]).unsqueeze(0)[inside]
    torch.testing.assert_close(run(inflated, still)[inside][:, 1], expected[:, 1], rtol=1e-4, atol=1e-4)
    # a 2D kernel with only a centre value is kept exactly
    conv.weight.mul_(torch.tensor([0, 1, 0.0]).outer(torch.tensor([0, 1, 0.0])))
    for init in ("sum", "centre"):
        point = SthConv2d.from_image(conv, ForwardContext(), form=form, integration=integration, init=init)
        torch.testing.assert_close(run(point, any_clip)[0], conv(any_clip[0]), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_random_weights_have_the_scale_of_a_3x3():
    conv = nn.Conv2d(64, 64, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    clip = torch.randn(1, 8, 64, 14, 14)
    expected = float(conv(clip[0]).std())
    for form in ("hybrid", "merge"):
        for integration in ("sum", "attention"):
            sth = SthConv2d.like(conv, ForwardContext(), form=form, integration=integration)
            assert float(run(sth, clip).std()) == pytest.approx(expected, rel=0.08)
            assert len(set(sth.temporal_weight.flatten().tolist())) > 100  # random, not copied
