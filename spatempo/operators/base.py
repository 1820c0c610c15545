"""The contract of a temporal operator that keeps the network's shape."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from spatempo.operators.call import State, TimeCall


class Reach(NamedTuple):
    """How many frames back and ahead of its own a frame's output depends on."""

    past: int
    future: int


class TemporalOperator(nn.Module):
    """Mixes the frames of each clip: folded frames ``[B*T, C, H, W]`` in, the same shape out (T / time_stride frames).

    A subclass writes :meth:`mix`, and :meth:`mix_step` where it has a causal form; this class unfolds the frames, by a
    view, and keeps the state. ``T`` belongs to the input and is asked of the call in hand.

    Args:
        call: the video model's call in hand.
        causal: look at past frames only.
    """

    kept_tensors = 1
    """Tensors of the causal form's state."""
    time_stride = 1
    """Frames that become one; an operator that joins frames tells the call in hand."""

    def __init__(self, call: TimeCall, *, causal: bool = False) -> None:
        super().__init__()
        self.call = call
        self.causal = causal

    @property
    def reach(self) -> Reach | None:
        """Temporal reach of this one operator, in frames as it gets them; ``None`` stands for the whole clip."""
        raise NotImplementedError

    def new_parameters(self) -> list[nn.Parameter]:
        """Those that image weights say nothing of, which must learn even where the image network is frozen."""
        return list(self.parameters())

    def mix(self, clip: Tensor) -> Tensor:
        """``[B, T, C, H, W]`` in, the same shape out, for whole clips."""
        raise NotImplementedError

    def mix_step(self, clip: Tensor, past: State | None) -> tuple[Tensor, State]:
        """The causal form for the next frames: ``(clip, what was kept)`` in, ``(mixed, what to keep)`` out."""
        raise NotImplementedError(f"{type(self).__name__} has no causal form")

    def forward(self, x: Tensor) -> Tensor:
        call = self.call
        clip = x.unflatten(0, (-1, call.frames))
        if not call.stepping:
            return self.mix(clip).flatten(0, 1)
        mixed, kept = self.mix_step(clip, call.past(self.kept_tensors))
        call.keep(kept)
        return mixed.flatten(0, 1)


class ReplacingOperator(TemporalOperator):
    """An operator that stands in the place of a 2D convolution, with parameters of its own.

    It may change channels and size. Image weights reach it through :meth:`image_weights`: a file of the image network
    is checked against the name and shape that the replaced convolution's weight had, and this says what becomes of it.
    """

    image_shape: tuple[int, ...]
    """Shape of the replaced convolution's ``weight``, ``[C_out, C_in / groups, k_h, k_w]``."""

    def new_parameters(self) -> list[nn.Parameter]:
        return []

    def image_weights(self, weight: Tensor) -> dict[str, Tensor]:
        """This module's own parameters and buffers by name, all of them, made of a 2D ``weight``."""
        raise NotImplementedError
