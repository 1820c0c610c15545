"""The moving average agrees with its formula."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from spatempo.learning.ema import Ema


def test_average_by_hand() -> None:
    net = nn.BatchNorm1d(1)
    with torch.no_grad():
        net.weight.fill_(1.0)
    ema = Ema(net, decay=0.15)
    with torch.no_grad():
        net.weight.fill_(2.0)
        net.running_mean.fill_(10.0)
        net.num_batches_tracked.fill_(3)
    ema.update(net)  # d = min(.15, 1/10)
    assert ema.average["weight"].item() == pytest.approx(0.1 * 1 + 0.9 * 2)
    assert ema.average["running_mean"].item() == pytest.approx(9.0)
    assert ema.average["num_batches_tracked"].item() == 3
    ema.update(net)  # d = min(.15, 2/11)
    assert ema.average["weight"].item() == pytest.approx(0.15 * 1.9 + 0.85 * 2)
    assert net.weight.item() == 2.0  # the model is unchanged


def test_applied_restores_the_weights_after_an_error() -> None:
    net = nn.Linear(2, 2)
    ema = Ema(net, 0.9)
    with torch.no_grad():
        net.weight.add_(1)
    own = net.weight.detach().clone()

    def fail() -> None:
        with ema.applied(net):
            assert torch.equal(net.weight, ema.average["weight"])
            assert not torch.equal(net.weight, own)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert torch.equal(net.weight, own)


def test_average_continues_exactly_from_its_state() -> None:
    torch.manual_seed(0)
    net = nn.Linear(3, 3)
    a = Ema(net, 0.99)
    a.update(net)
    b = Ema(nn.Linear(3, 3), 0.99)
    b.load_state_dict(a.state_dict())
    with torch.no_grad():
        net.weight.mul_(3)
    a.update(net)
    b.update(net)
    assert torch.equal(a.average["weight"], b.average["weight"])
