"""Base classes of temporal operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from spatempo.operators.context import ForwardContext, State


class Reach(NamedTuple):
    """Number of earlier and later input frames on which an output frame depends."""

    past: int
    future: int


class TemporalOperator(nn.Module):
    """Mixes the frames of each clip, on folded frames ``[B*T, C, H, W]``.

    The output has the same shape, with T / ``time_stride`` frames per clip. A subclass implements :meth:`mix` and, if
    it has a causal form, :meth:`mix_step`. This class unfolds the frames (a view) and stores the state. T is read from
    the forward context, so it may change from call to call.

    Args:
        context: the video model's forward context.
        causal: use past frames only.
    """

    state_names: ClassVar[tuple[str, ...]] = ("past",)
    """Names of the state tensors of the causal form, in order."""
    time_stride = 1
    """Input frames per output frame. An operator that pools frames also calls ``context.pool``."""
    one_frame_count = False
    """Whether an exported graph works for one T only, because layers depend on T in other ways than its length."""

    def __init__(self, context: ForwardContext, *, causal: bool = False) -> None:
        super().__init__()
        self.context = context
        self.causal = causal

    @property
    def reach(self) -> Reach | None:
        """Temporal reach of this operator, in input frames. ``None`` means the whole clip."""
        raise NotImplementedError

    def new_parameters(self) -> list[nn.Parameter]:
        """Parameters that image-pretrained weights do not initialise. They train even if the backbone is frozen."""
        return list(self.parameters())

    def mix(self, clip: Tensor) -> Tensor:
        """Mixes whole clips, ``[B, T, C, H, W] -> [B, T, C, H, W]``."""
        raise NotImplementedError

    def mix_step(self, clip: Tensor, past: State | None) -> tuple[Tensor, State]:
        """Causal form for the next frames of a stream: ``(clip, state) -> (mixed clip, new state)``."""
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
    """An operator with its own parameters that replaces a part of a 2D network.

    It may change the number of channels and the spatial size. Image-pretrained weights are first checked against the
    names and shapes of the replaced part (:attr:`image_shapes`), then :meth:`image_weights` converts them.
    """

    image_shapes: Mapping[str, tuple[int, ...]]
    """Names and shapes of the parameters and buffers of the replaced part, relative to that part. For a convolution
    without bias: ``{"weight": (C_out, C_in / groups, k_h, k_w)}``."""

    def new_parameters(self) -> list[nn.Parameter]:
        return []

    def image_weights(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Returns all parameters and buffers of this module, computed from those of the replaced part.

        Args:
            weights: tensors with the names and shapes of :attr:`image_shapes`.
        """
        raise NotImplementedError
