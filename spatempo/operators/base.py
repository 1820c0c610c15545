"""The contract of a temporal operator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from spatempo.operators.context import ForwardContext, State


class Reach(NamedTuple):
    """How many frames back and ahead of its own a frame's output depends on."""

    past: int
    future: int


class TemporalOperator(nn.Module):
    """Mixes the frames of each clip: folded frames ``[B*T, C, H, W]`` in, the same shape out (T / time_stride frames).

    A subclass writes :meth:`mix`, and :meth:`mix_step` where it has a causal form; this class unfolds the frames, by a
    view, and keeps the state. T belongs to the input and is asked of the forward context.

    Args:
        context: the video model's forward context.
        causal: look at past frames only.
    """

    state_names: ClassVar[tuple[str, ...]] = ("past",)
    """Names of the tensors of the causal form's state, in order."""
    time_stride = 1
    """Frames that become one; an operator that joins frames tells the forward context."""

    def __init__(self, context: ForwardContext, *, causal: bool = False) -> None:
        super().__init__()
        self.context = context
        self.causal = causal

    @property
    def reach(self) -> Reach | None:
        """Temporal reach of this one operator, in frames as it gets them; ``None`` stands for the whole clip."""
        raise NotImplementedError

    def new_parameters(self) -> list[nn.Parameter]:
        """Parameters that image weights do not initialise, which must learn even where the image network is frozen."""
        return list(self.parameters())

    def mix(self, clip: Tensor) -> Tensor:
        """``[B, T, C, H, W]`` in, the same shape out, for whole clips."""
        raise NotImplementedError

    def mix_step(self, clip: Tensor, past: State | None) -> tuple[Tensor, State]:
        """The causal form for the next frames: ``(clip, what was kept)`` in, ``(mixed, what to keep)`` out."""
        raise NotImplementedError(f"{type(self).__name__} has no causal form")

    def forward(self, x: Tensor) -> Tensor:
        context = self.context
        clip = context.unfold(x)
        if not context.stepping:
            return context.fold(self.mix(clip))
        mixed, kept = self.mix_step(clip, context.past(len(self.state_names)))
        context.keep(self, kept)
        return context.fold(mixed)


class ReplacingOperator(TemporalOperator):
    """An operator that replaces a part of a 2D network, with parameters of its own.

    It may change channels and size. Image weights reach it through :meth:`image_weights`: a file of the image network
    is checked against the names and shapes that the replaced part had, and this method says what becomes of them.
    """

    image_shapes: Mapping[str, tuple[int, ...]]
    """Names and shapes of the replaced part's parameters and buffers, without the part's own name: for a convolution
    ``{"weight": (C_out, C_in / groups, k_h, k_w)}``, with a bias, a batch norm or a whole block more."""

    def new_parameters(self) -> list[nn.Parameter]:
        return []

    def image_weights(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """This module's own parameters and buffers by name, all of them, made from the replaced part's.

        Args:
            weights: by the names of :attr:`image_shapes`.
        """
        raise NotImplementedError
