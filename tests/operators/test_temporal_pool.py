"""Temporal pooling on clips written by hand."""

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
        ([-4, -3, -2, -1, -7], [-3, -1, -1]),  # nothing outside the clip takes part, zeros included
    ],
)
def test_by_hand(clip, pooled):
    x = torch.tensor(clip, dtype=torch.float32).view(1, -1, 1, 1, 1)
    assert temporal_pool(x).flatten().tolist() == pooled


def test_clips_of_a_batch_do_not_meet():
    x = torch.randn(3, 5, 2, 2, 2)
    alone = torch.cat([temporal_pool(x[i : i + 1]) for i in range(3)])
    assert torch.equal(temporal_pool(x), alone)


def test_steps_of_two_frames_equal_the_clip_and_halve_the_call():
    x = torch.randn(2, 6, 3, 2, 2)
    call = ForwardContext()
    pool = TemporalPool(call, causal=True)
    parts, past = [], None
    for t in (0, 2, 4):
        call.open_step(2, past)
        parts.append(pool(x[:, t : t + 2].flatten(0, 1)))
        assert call.frames == 1
        past = call.close()
    assert torch.equal(torch.stack(parts, 1), temporal_pool(x))
    call.open(6)
    pool(x.flatten(0, 1))
    assert call.frames == 3


def test_the_first_step_from_a_state_of_zeros_sees_no_frame_before_it():
    x = -1 - torch.rand(2, 4, 3, 2, 2)  # all below zero, so a black frame would show
    call = ForwardContext()
    pool = TemporalPool(call, causal=True)
    call.open_step(2, None)
    pool(x[:, :2].flatten(0, 1))
    past = tuple(torch.zeros_like(t) for t in call.close())
    for t in (0, 2):
        call.open_step(2, past)
        assert torch.equal(pool(x[:, t : t + 2].flatten(0, 1)), temporal_pool(x)[:, t // 2])
        past = call.close()
    assert (temporal_pool(x)[:, 1] == x[:, 1]).any(), "the frame before must matter somewhere"


def test_gradient_goes_to_the_largest_frame():
    x = torch.tensor([1.0, 2.0, 9.0, 3.0]).view(1, 4, 1, 1, 1).requires_grad_()
    temporal_pool(x).backward(torch.tensor([5.0, 7.0]).view(1, 2, 1, 1, 1))
    assert x.grad is not None
    assert x.grad.flatten().tolist() == [0, 5, 7, 0]


def test_reach():
    """A window's own frame is its middle one, or, live, its newest."""
    assert TemporalPool(ForwardContext()).reach == (1, 1)
    assert TemporalPool(ForwardContext(), causal=True).reach == (2, 0)
