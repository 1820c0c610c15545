"""Convolutions that mix frames before they convolve, by kind; see :func:`spatempo.models.seams.plug_at_conv`."""

from __future__ import annotations

from torch import Tensor, nn

from spatempo.operators.base import TemporalOperator


class MixFirst(nn.Module):
    """A convolution that mixes frames before it convolves."""

    temporal: TemporalOperator

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.temporal(x))


# One explicit subclass per known kind of convolution: a kind that is not here must never quietly become a plain Conv2d.
class TemporalConv2d(MixFirst, nn.Conv2d): ...
