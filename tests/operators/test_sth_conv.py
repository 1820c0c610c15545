"""The STH convolution as a module: memory layout, temporal reach, options and error messages."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

import pytest
import torch
from bare_operators import run
from networks import build_on
from torch import nn

from spatempo.errors import SpatempoError
from spatempo.models.seams import replace_conv
from spatempo.operators.base import Reach
from spatempo.operators.context import ForwardContext
from spatempo.operators.sth_conv import SthConv2d, SthOptions


@pytest.mark.parametrize("form", ["hybrid", "merge"])
@pytest.mark.parametrize("integration", ["sum", "attention"])
@pytest.mark.parametrize("stride", [1, 2])
@torch.no_grad()
def test_keeps_the_memory_layout_and_clips_are_independent(form, integration, stride):
    conv = SthConv2d(ForwardContext(), 8, 8, stride=stride, form=form, integration=integration)
    if conv.attention is not None:
        nn.init.normal_(conv.attention.fc.weight)
    clip = torch.randn(3, 4, 8, 6, 6)
    out = run(conv, clip)
    last = run(conv, clip.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3))
    torch.testing.assert_close(last, out)
    assert last.flatten(0, 1).is_contiguous(memory_format=torch.channels_last)
    for i in range(3):
        torch.testing.assert_close(run(conv, clip[i : i + 1]), out[i : i + 1])


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
def test_invalid_options_are_rejected(options, message):
    with pytest.raises(ValueError, match=message):
        SthConv2d(ForwardContext(), 8, 8, **options)


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
def test_convolutions_that_it_cannot_replace_are_rejected(conv, message):
    build = build_on(nn.Sequential(OrderedDict(layer7=conv)))
    with pytest.raises(SpatempoError, match=message) as error:
        replace_conv(build, "layer7", partial(SthConv2d.like, context=build.context), design="STH")
    assert "\n" not in str(error.value)


def test_temporal_reach_equals_the_gradient():
    for integration, reach, seen in (("sum", Reach(1, 1), [2, 3, 4]), ("attention", None, list(range(7)))):
        conv = SthConv2d(ForwardContext(), 8, 8, integration=integration)
        if conv.attention is not None:
            nn.init.normal_(conv.attention.fc.weight)
        assert conv.reach == reach
        clip = torch.randn(1, 7, 8, 4, 4, requires_grad=True)
        run(conv, clip)[:, 3].square().sum().backward()
        assert clip.grad is not None
        assert [t for t in range(7) if clip.grad[0, t].abs().max() > 0] == seen


def test_extra_repr():
    text = SthConv2d(ForwardContext(), 8, 16, stride=2, p="1/8").extra_repr()
    assert text == "8, 16, stride=2, p=1/8, hybrid, attention, scale=2"
    assert SthConv2d(ForwardContext(), 8, 8, form="merge", integration="sum").extra_repr().endswith("merge, sum")
