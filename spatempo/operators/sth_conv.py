"""The STH convolution as a module: options, replacement of a 2D convolution, and access to the attention weights.

The computation is defined in :mod:`spatempo.operators.sth`.
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
from spatempo.operators.watch import named_parts, watch


@dataclass(frozen=True)
class SthOptions:
    """Options of the STH convolution.

    Attributes:
        p: fraction of the channels in the temporal branch: 1/2, 1/3, 1/4 ..., as a number or as text. 0 keeps
            the 2D convolution.
        form: ``"hybrid"`` or ``"merge"``.
        integration: ``"attention"`` or ``"sum"``.
        init: temporal kernels made from image-pretrained weights, see
            :func:`~spatempo.operators.sth.kernels_from_image`.
        scale: factor on the attention weights. 1 is Eq. 3 as written: O starts at half the sum of the branches, because
            a_S = a_T = 1/2. A batch norm in training mode removes this factor. A batch norm with loaded, fixed
            statistics (partial batch norm, frozen backbone, evaluation) does not, and its input would be half of what
            it expects. With 2, attention starts exactly as the sum. No effect on ``integration="sum"``.

    Raises:
        OptionError: an invalid value; the message lists the valid ones.
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
    """1/p for a number or for text such as ``"1/8"``; 0 for 0, NaN if p is not a number."""
    try:
        top, _, bottom = p.partition("/") if isinstance(p, str) else (p, "", "")
        value = math.nan if isinstance(p, bool) else float(top) / float(bottom or 1)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError, ZeroDivisionError):
        return math.nan
    if not math.isfinite(value):
        return math.nan
    return 1 / value if value else 0.0


class SthConv2d(ReplacingOperator):
    """STH convolution that replaces a 3x3: folded frames ``[B*T, C_in, H, W]`` to ``[B*T, C_out, H', W']``.

    Parameters: ``spatial_weight`` and ``temporal_weight``, with the shapes of :func:`sth_hybrid` or :func:`sth_merge`,
    and ``attention.fc``. They start random, at the scale of the 3x3 convolutions in torchvision's ResNets.
    :meth:`from_image` computes them from a 2D convolution.

    Args:
        context: the video model's forward context.
        in_channels, out_channels: C_in and C_out.
        stride: stride in H and W.
        **options: fields of :class:`SthOptions`.

    Raises:
        OptionError: an invalid option, or channels that 1/p groups do not divide.
    """

    def __init__(
        self, context: ForwardContext, in_channels: int, out_channels: int, *, stride: int = 1, **options: Any
    ) -> None:
        super().__init__(context)
        self.options = SthOptions(**options)
        groups = self.options.groups
        if groups == 0:
            raise OptionError("p = 0 leaves no channels for the temporal branch: keep the 2D convolution")
        for channels in (in_channels, out_channels):
            if channels % groups:
                raise OptionError(
                    f"p = 1/{groups} splits channels into {groups} equal groups, but got {channels} channels"
                )
        self.image_shapes = {"weight": (out_channels, in_channels, 3, 3)}
        self.stride = stride
        spatial, temporal = kernels_from_image(torch.empty(self.image_shapes["weight"]), groups, self.options.form)
        self.spatial_weight = nn.Parameter(spatial)
        self.temporal_weight = nn.Parameter(temporal)
        # He et al. 2015, fan out with 9 and 3 taps; the sum of the branches then has the variance of the 3x3
        nn.init.normal_(self.spatial_weight, std=(2 / (9 * out_channels)) ** 0.5)
        nn.init.normal_(self.temporal_weight, std=(2 / (3 * out_channels)) ** 0.5)
        self.attention = BranchAttention(out_channels) if self.options.integration == "attention" else None

    @classmethod
    def like(cls, conv: nn.Conv2d, context: ForwardContext, **options: Any) -> Self:
        """Returns an STH convolution with random weights and the channels and stride of ``conv``.

        Raises:
            OptionError: an invalid option, or channels that 1/p groups do not divide.
        """
        return cls(context, conv.in_channels, conv.out_channels, stride=conv.stride[0], **options)

    @classmethod
    def from_image(cls, conv: nn.Conv2d, context: ForwardContext, **options: Any) -> Self:
        """Returns an STH convolution made from a trained 2D one by :func:`kernels_from_image`. Attention starts at 1/2.

        Args:
            conv: the 3x3 convolution to replace.
            context: the video model's forward context.
            **options: fields of :class:`SthOptions`, such as ``init``.
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
        weights = self.options.scale * self.attention(spatial, temporal).to(spatial.dtype)
        a_s, a_t = weights[:, :, None, :, None, None].unbind(1)  # [B, 1, C, 1, 1] each: equal in all frames
        return spatial * a_s + temporal * a_t

    def extra_repr(self) -> str:
        out_channels, in_channels, _, _ = self.image_shapes["weight"]
        o = self.options
        integration = f"attention, scale={o.scale:g}" if self.attention is not None else "sum"
        return f"{in_channels}, {out_channels}, stride={self.stride}, p=1/{o.groups}, {o.form}, {integration}"


def attention_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Attention layers of all STH convolutions, by the name of the convolution."""
    return named_parts(model, SthConv2d, "attention")


def watch_attention(model: nn.Module) -> AbstractContextManager[dict[str, Tensor]]:
    """Records the attention weights of the branches inside a ``with`` block ::

        with watch_attention(model) as seen:
            model(clip)
        seen["backbone.layer1.0.conv2"]  # [B, 2, C]: a_S and a_T of each clip, with sum one

    Each forward pass overwrites the recorded values; the model itself stores nothing.
    :func:`spatempo.evaluation.inside.attention.attention_weights` averages over channels and videos, as in Figures 5-8
    of the paper.
    """
    return watch(attention_layers(model))
