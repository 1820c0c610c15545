"""Convolutions that apply a temporal operator to their input; see :func:`spatempo.models.seams.plug_at_conv`."""

from __future__ import annotations

from torch import Tensor, nn

from spatempo.operators.base import TemporalOperator


class MixFirst(nn.Module):
    """Mix-in for a convolution that first applies the operator ``temporal`` to its input."""

    temporal: TemporalOperator

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.temporal(x))


# One explicit subclass per supported convolution class, so that no other class is silently treated as a plain Conv2d.
class TemporalConv2d(MixFirst, nn.Conv2d): ...
