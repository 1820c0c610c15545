"""Temporal max pooling against hand-computed values."""

from __future__ import annotations

import pytest
import torch

from spatempo.operators.context import ForwardContext
from spatempo.operators.temporal_pool import TemporalPool, temporal_pool


@pytest.mark.parametrize(
    ("clip", "pooled"),
    [
        ([5], [5]),
        ([5, 1], [5]),
        ([5, 1, 2], [5, 2]),  # the last window of an odd clip has two frames
        ([1, 2, 9, 3], [2, 9]),
        ([-4, -3, -2, -1, -7], [-3, -1, -1]),  # frames outside the clip are ignored, not zero
    ],
)
def test_by_hand(clip, pooled):
    x = torch.tensor(clip, dtype=torch.float32).view(1, -1, 1, 1, 1)
    assert temporal_pool(x).flatten().tolist() == pooled


def test_clips_in_a_batch_are_independent():
    x = torch.randn(3, 5, 2, 2, 2)
    single = torch.cat([temporal_pool(x[i : i + 1]) for i in range(3)])
    assert torch.equal(temporal_pool(x), single)


def test_steps_of_two_frames_equal_the_clip_and_halve_the_frames():
    x = torch.randn(2, 6, 3, 2, 2)
    context = ForwardContext()
    pool = TemporalPool(context, causal=True)
    parts, past = [], None
    for t in (0, 2, 4):
        context.open_step(2, past)
        parts.append(pool(x[:, t : t + 2].flatten(0, 1)))
        assert context.frames == 1
        past = context.close()
    assert torch.equal(torch.stack(parts, 1), temporal_pool(x))
    context.open(6)
    pool(x.flatten(0, 1))
    assert context.frames == 3


def test_a_state_of_zeros_means_no_previous_frame():
    x = -1 - torch.rand(2, 4, 3, 2, 2)  # all below zero, so a black frame would change the maximum
    context = ForwardContext()
    pool = TemporalPool(context, causal=True)
    context.open_step(2, None)
    pool(x[:, :2].flatten(0, 1))
    past = tuple(torch.zeros_like(t) for t in context.close())
    for t in (0, 2):
        context.open_step(2, past)
        assert torch.equal(pool(x[:, t : t + 2].flatten(0, 1)), temporal_pool(x)[:, t // 2])
        past = context.close()
    assert (temporal_pool(x)[:, 1] == x[:, 1]).any(), "the previous frame must matter somewhere"


def test_gradient_goes_to_the_largest_frame():
    x = torch.tensor([1.0, 2.0, 9.0, 3.0]).view(1, 4, 1, 1, 1).requires_grad_()
    temporal_pool(x).backward(torch.tensor([5.0, 7.0]).view(1, 2, 1, 1, 1))
    assert x.grad is not None
    assert x.grad.flatten().tolist() == [0, 5, 7, 0]


def test_reach():
    """Relative to the middle frame of the window; causal: relative to its newest frame."""
    assert TemporalPool(ForwardContext()).reach == (1, 1)
    assert TemporalPool(ForwardContext(), causal=True).reach == (2, 0)
