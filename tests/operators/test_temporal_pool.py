"""Temporal pooling on clips written by hand."""

from __future__ import annotations

import pytest
import torch

from spatempo.operators.call import TimeCall
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
    call = TimeCall()
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
