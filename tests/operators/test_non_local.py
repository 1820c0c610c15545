"""The non-local block against sums written out by hand."""

from __future__ import annotations

import math

import torch

from spatempo.operators.context import ForwardContext
from spatempo.operators.non_local import NonLocal, non_local_mean


def test_weighted_mean_by_hand():
    """Two queries, two keys: the weights are e^(theta.phi) divided by their sum."""
    theta = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    phi = torch.tensor([[[1.0, 1.0], [0.0, 1.0]]])
    g = torch.tensor([[[10.0, 0.0], [0.0, 30.0]]])
    first = math.e / (math.e + 1)  # theta_0 . phi = 1, 0
    expected = torch.tensor([[[10 * first, 30 * (1 - first)], [5.0, 15.0]]])  # theta_1 . phi = 2, 2
    torch.testing.assert_close(non_local_mean(theta, phi, g), expected)


def make_block(channels: int = 4, frames: int = 3) -> NonLocal:
    torch.manual_seed(0)
    context = ForwardContext()
    context.open(frames)
    return NonLocal(context, channels).eval()


def test_starts_as_the_identity():
    x = torch.randn(6, 4, 4, 4)
    assert torch.equal(make_block()(x), x)


@torch.no_grad()
def test_equals_loops_over_positions():
    net = make_block()
    torch.nn.init.ones_(net.bn.weight)
    x = torch.randn(6, 4, 2, 4)  # two clips of three frames
    theta, phi, g = net.theta(x), net.phi(x), net.g(x)
    expected = x.clone()
    for clip in range(2):
        frames = range(3 * clip, 3 * clip + 3)
        # keys and values are max-pooled 2x2, per channel
        cells = [(t, slice(0, 2), slice(c, c + 2)) for t in frames for c in (0, 2)]
        keys = torch.stack([phi[t, :, h, w].amax((1, 2)) for t, h, w in cells])
        values = torch.stack([g[t, :, h, w].amax((1, 2)) for t, h, w in cells])
        for t in frames:
            for h in range(2):
                for w in range(4):
                    weights = (keys @ theta[t, :, h, w]).exp()
                    y = (weights / weights.sum()) @ values
                    out = net.out.weight.flatten(1) @ y + net.out.bias
                    expected[t, :, h, w] += out / math.sqrt(1 + net.bn.eps)
    torch.testing.assert_close(net(x), expected)
