"""timm's convolution classes with a temporal operator. :mod:`spatempo.models.seams` imports this only when needed."""

from __future__ import annotations

from timm.layers.conv2d_same import Conv2dSame
from timm.layers.std_conv import ScaledStdConv2d, ScaledStdConv2dSame, StdConv2d, StdConv2dSame
from torch import nn

from spatempo.models.mix_first import MixFirst


class TemporalConv2dSame(MixFirst, Conv2dSame): ...


class TemporalStdConv2d(MixFirst, StdConv2d): ...


class TemporalStdConv2dSame(MixFirst, StdConv2dSame): ...


class TemporalScaledStdConv2d(MixFirst, ScaledStdConv2d): ...


class TemporalScaledStdConv2dSame(MixFirst, ScaledStdConv2dSame): ...


TIMM_KINDS: dict[type[nn.Module], type[MixFirst]] = {
    Conv2dSame: TemporalConv2dSame,
    StdConv2d: TemporalStdConv2d,
    StdConv2dSame: TemporalStdConv2dSame,
    ScaledStdConv2d: TemporalScaledStdConv2d,
    ScaledStdConv2dSame: TemporalScaledStdConv2dSame,
}
