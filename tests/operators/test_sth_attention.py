"""Attention between the branches of STH: computed by hand, at its start, and recorded from outside."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from bare_operators import run
from torch import nn

from spatempo.operators.context import ForwardContext
from spatempo.operators.sth import BranchAttention, sth_hybrid
from spatempo.operators.sth_conv import SthConv2d, watch_attention


def test_attention_by_hand():
    """Means over T, H and W, one layer for both branches, softmax over the branches."""
    attention = BranchAttention(2)
    with torch.no_grad():
        # both outputs depend on the mean of channel 0 only
        attention.fc.weight.copy_(torch.tensor([[math.log(3) / 2, 0], [-math.log(2), 0]]))
        attention.fc.bias.copy_(torch.tensor([5.0, -7.0]))
    spatial = torch.tensor([[1, 100], [3, 100.0]]).view(1, 2, 2, 1, 1).repeat(1, 1, 1, 2, 2)  # means 2, 100
    temporal = torch.tensor([[4, 0], [-4, 0.0]]).view(1, 2, 2, 1, 1).repeat(1, 1, 1, 2, 2)  # means 0, 0
    weights = attention(spatial, temporal)
    # e^(ln 3) : 1 and 1/4 : 1; the bias is the same in both branches and cancels out
    torch.testing.assert_close(weights, torch.tensor([[[3 / 4, 1 / 5], [1 / 4, 4 / 5]]]))
    weights[0, 0].sum().backward()
    assert attention.fc.bias.grad is not None
    torch.testing.assert_close(attention.fc.bias.grad, torch.zeros(2))


def test_attention_weights_are_per_channel_and_equal_in_all_frames():
    conv = SthConv2d(ForwardContext(), 8, 8, p=1 / 2, scale=1)
    assert conv.attention is not None
    nn.init.normal_(conv.attention.fc.weight, std=3)
    clip = torch.randn(2, 3, 8, 4, 4)
    with watch_attention(conv) as seen, torch.no_grad():
        out = run(conv, clip)
        o_s, o_t = sth_hybrid(clip, conv.spatial_weight, conv.temporal_weight)
    (weights,) = seen.values()
    assert weights.shape == (2, 2, 8)
    torch.testing.assert_close(weights.sum(1), torch.ones(2, 8))
    assert (weights[0] - weights[1]).abs().max() > 0.1
    for b in range(2):
        for c in range(8):
            torch.testing.assert_close(out[b, :, c], weights[b, 0, c] * o_s[b, :, c] + weights[b, 1, c] * o_t[b, :, c])


@pytest.mark.parametrize("form", ["hybrid", "merge"])
@torch.no_grad()
def test_attention_starts_at_one_half(form):
    conv = SthConv2d(ForwardContext(), 8, 8, form=form)
    plain = SthConv2d(ForwardContext(), 8, 8, form=form, integration="sum")
    half = SthConv2d(ForwardContext(), 8, 8, form=form, scale=1)
    plain.load_state_dict({k: v for k, v in conv.state_dict().items() if not k.startswith("attention")})
    half.load_state_dict(conv.state_dict())
    clip = torch.randn(1, 4, 8, 5, 5)
    with watch_attention(conv) as seen:
        expected = run(conv, clip)
    assert torch.equal(seen[""], torch.full((1, 2, 8), 0.5))
    torch.testing.assert_close(run(plain, clip), expected)
    torch.testing.assert_close(run(half, clip), expected / 2)


def test_watch_removes_its_hooks():
    model = nn.Sequential(SthConv2d(ForwardContext(), 8, 8))
    model.append(SthConv2d(ForwardContext(), 8, 8, integration="sum"))
    with watch_attention(model) as seen:
        copied = copy.deepcopy(model)
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
    assert all(v.requires_grad and v.is_leaf for v in copied.parameters())
    copy.deepcopy(model)
