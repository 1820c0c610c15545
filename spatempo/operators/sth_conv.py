"""The STH convolution as a module: its options, its place in an image network, and its attention to be seen.

What it computes is defined in :mod:`spatempo.operators.sth`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Self, get_args

import torch
from torch import Tensor, nn

from spatempo.errors import OptionError
from spatempo.operators.base import Reach, ReplacingOperator
from spatempo.operators.context import ForwardContext
from spatempo.operators.sth import BranchAttention, Form, Init, Integration, kernels_from_image, sth_hybrid, sth_merge
from spatempo.operators.watch import parts_of, watch


@dataclass(frozen=True)
class SthOptions:
    """Which of the paper's variants.

    Attributes:
        p: share of the input channels that a filter sees through time: 1/2, 1/3, 1/4 ..., as a number or as text; 0 is
            the 2D convolution, of which nothing is replaced.
        form: ``"hybrid"`` or ``"merge"``.
        integration: ``"attention"`` or ``"sum"``.
        init: what temporal kernels get of image weights, see :func:`~spatempo.operators.sth.kernels_from_image`.
        scale: factor on the attended maps. 1 is Eq. 3 to the letter, in which O starts at half the sum of the branches,
            since a_S = a_T = 1/2. A batch norm that learns takes any such factor out again, to the last gradient, but
            one frozen at loaded statistics (partial batch norm, frozen backbone, a model as loaded) does not, and
            would get half of what it expects. With 2 attention starts as the sum exactly. Of no effect on the sum.

    Raises:
        OptionError: an option that cannot be; names it and what can.
    """

    p: float | str = 1 / 4
    form: Form = "hybrid"
    integration: Integration = "attention"
    init: Init = "sum"
    scale: float = 2.0

    def __post_init__(self) -> None:
        for option, kind in (("form", Form), ("integration", Integration), ("init", Init)):
            value, values = getattr(self, option), get_args(kind)
            if value not in values:
                raise OptionError(f"{option} must be one of {', '.join(values)}, got {value!r}")
        if isinstance(self.scale, bool) or not isinstance(self.scale, int | float) or not 0 < self.scale < math.inf:
            raise OptionError(f"scale must be a positive number, got {self.scale!r}")
        groups = _inverse(self.p)
        if not (groups == 0 or (2 <= groups < 1e6 and abs(groups - round(groups)) < 1e-6)):
            raise OptionError(f"p must be 0 or a unit fraction such as 1/8, 1/4 or 1/2, got {self.p!r}")

    @property
    def groups(self) -> int:
        """G = 1/p, and 0 for p = 0."""
        return round(_inverse(self.p))


def _inverse(p: object) -> float:
    """1/p of a number or of text such as ``"1/8"``; 0 for 0, NaN for what is no number."""
    try:
        top, _, bottom = p.partition("/") if isinstance(p, str) else (p, "", "")
        value = math.nan if isinstance(p, bool) else float(top) / float(bottom or 1)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError, ZeroDivisionError):
        return math.nan
    if not math.isfinite(value):
        return math.nan
    return 1 / value if value else 0.0


class SthConv2d(ReplacingOperator):
    """An STH convolution in the place of a 3x3 one: folded frames ``[B*T, C_in, H, W]`` to ``[B*T, C_out, H', W']``.

    Its parameters are those in use: ``spatial_weight`` and ``temporal_weight``, shaped as :func:`sth_hybrid` or
    :func:`sth_merge` takes them, and ``attention.fc``. They start random, at the scale that torchvision gives the 3x3
    convolutions of its ResNets; :meth:`from_image` makes them of a 2D convolution's.

    Args:
        context: the video model's forward context.
        channels_in, channels_out: C_in and C_out.
        stride: in H and W.
        **options: those of :class:`SthOptions`.

    Raises:
        OptionError: an option that cannot be, or groups that do not divide the channels.
    """

    def __init__(
        self, context: ForwardContext, channels_in: int, channels_out: int, *, stride: int = 1, **options: Any
    ) -> None:
        super().__init__(context)
        self.options = SthOptions(**options)
        groups = self.options.groups
        if groups == 0:
            raise OptionError("p = 0 leaves nothing to time: keep the 2D convolution")
        for channels in (channels_in, channels_out):
            if channels % groups:
                raise OptionError(
                    f"p = 1/{groups} cuts channels into {groups} equal groups, which {channels} do not make"
                )
        self.image_shapes = {"weight": (channels_out, channels_in, 3, 3)}
        self.stride = stride
        spatial, temporal = kernels_from_image(torch.empty(self.image_shapes["weight"]), groups, self.options.form)
        self.spatial_weight = nn.Parameter(spatial)
        self.temporal_weight = nn.Parameter(temporal)
        # He et al. 2015, fan out: nine and three taps into each of C_out maps; the sum's variance is then the 3x3's
        nn.init.normal_(self.spatial_weight, std=(2 / (9 * channels_out)) ** 0.5)
        nn.init.normal_(self.temporal_weight, std=(2 / (3 * channels_out)) ** 0.5)
        self.attention = BranchAttention(channels_out) if self.options.integration == "attention" else None

    @classmethod
    def like(cls, conv: nn.Conv2d, context: ForwardContext, **options: Any) -> Self:
        """An STH convolution with random weights and the channels and stride of ``conv``.

        Raises:
            OptionError: p does not divide its channels.
        """
        return cls(context, conv.in_channels, conv.out_channels, stride=conv.stride[0], **options)

    @classmethod
    def from_image(cls, conv: nn.Conv2d, context: ForwardContext, **options: Any) -> Self:
        """An STH convolution made of a trained 2D one, as :func:`kernels_from_image` says; attention starts at 1/2.

        Args:
            conv: the 3x3 convolution that it is to replace.
            context: the video model's forward context.
            **options: those of :class:`SthOptions`; ``init`` says how.
        """
        new = cls.like(conv, context, **options).to(conv.weight.device, conv.weight.dtype)
        new.load_state_dict(new.image_weights({"weight": conv.weight.detach()}))
        return new

    def new_parameters(self) -> list[nn.Parameter]:
        return [] if self.attention is None else list(self.attention.parameters())

    def image_weights(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        spatial, temporal = kernels_from_image(
            weights["weight"], self.options.groups, self.options.form, self.options.init
        )
        fc = {k: torch.zeros_like(v) for k, v in self.state_dict().items() if k.startswith("attention.")}
        return {"spatial_weight": spatial, "temporal_weight": temporal, **fc}

    @property
    def reach(self) -> Reach | None:
        return None if self.attention is not None else Reach(1, 1)

    def mix(self, clip: Tensor) -> Tensor:
        branches = sth_hybrid if self.options.form == "hybrid" else sth_merge
        spatial, temporal = branches(clip, self.spatial_weight, self.temporal_weight, self.stride)
        if self.attention is None:
            return spatial + temporal
        share = self.options.scale * self.attention(spatial, temporal).to(spatial.dtype)
        a_s, a_t = share[:, :, None, :, None, None].unbind(1)  # [B, 1, C, 1, 1] each: alike for all frames
        return spatial * a_s + temporal * a_t

    def extra_repr(self) -> str:
        out, into, _, _ = self.image_shapes["weight"]
        o = self.options
        how = f"attention, scale={o.scale:g}" if self.attention is not None else "sum"
        return f"{into}, {out}, stride={self.stride}, p=1/{o.groups}, {o.form}, {how}"


def attention_layers(model: nn.Module) -> dict[str, nn.Module]:
    """The attention of each STH convolution that has one, by the convolution's name."""
    return parts_of(model, SthConv2d, "attention")


def watch_attention(model: nn.Module) -> AbstractContextManager[dict[str, Tensor]]:
    """Lets one see how much the branches count, while the block lasts ::

        with watch_attention(model) as seen:
            model(clip)
        seen["backbone.layer1.0.conv2"]  # [B, 2, C]: a_S and a_T of each clip, they add up to one

    Each forward pass replaces what the last one left; :func:`spatempo.evaluation.inside.attention.attention_shares`
    averages over channels and videos, as the paper's Figures 5-8 do. The model itself keeps nothing.
    """
    return watch(attention_layers(model))
