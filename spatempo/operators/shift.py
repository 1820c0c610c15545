"""Temporal Shift Module, TSM (Lin, Gan, Han, "Temporal Shift Module for Efficient Video Understanding", ICCV 2019).

The C channels of a frame are split into folds of C // div channels. The first fold is taken from the next frame, the
second fold from the previous frame, and all other channels stay. This is a 3-tap temporal convolution with fixed 0/1
weights, which needs no multiplications ::

    channel      0 .. f        f .. 2f        2f .. C
    frame t     x[t+1]         x[t-1]          x[t]          f = C // div

Frames outside the clip are zeros (the paper's choice). In the variant of the first preprint (``padding="circulant"``)
they are the frames at the other end of the clip. Figure 1 of the paper swaps the two directions; this file follows the
released code and weights.

Shapes: clips ``[B, T, C, H, W]`` in and out. Temporal reach: one frame in each direction. Cost: one copy of the maps.

Causal form (the paper's online TSM): only one fold, channels 0 .. f, is taken from the previous frame. State: that fold
of the last frame, ``[B, f, H, W]``.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from spatempo.errors import OptionError
from spatempo.operators.base import Reach, TemporalOperator
from spatempo.operators.context import ForwardContext, State

Padding = Literal["zero", "circulant"]


def temporal_shift(x: Tensor, div: int = 8, *, causal: bool = False, padding: Padding = "zero") -> Tensor:
    """Shifts channels along time.

    Args:
        x: clips, ``[B, T, C, H, W]``.
        div: ``shift_div``; ``C // div`` channels move each way. With ``div > C`` nothing moves.
        causal: move only one fold, from the previous frame.
        padding: frames outside the clip: ``"zero"``, or ``"circulant"`` for those at the other end of the clip.

    Returns:
        ``[B, T, C, H, W]``, in the memory layout of ``x``.
    """
    fold = x.shape[2] // div
    if fold == 0:
        return x
    view, c = _in_memory_order(x)
    if causal:
        past, rest = view.split([fold, x.shape[2] - fold], c)
        parts = [_from_previous(past, padding), rest]
    else:
        future, past, rest = view.split([fold, fold, x.shape[2] - 2 * fold], c)
        parts = [_from_next(future, padding), _from_previous(past, padding), rest]
    return torch.cat(parts, c).movedim(c, 2)


def temporal_shift_step(x: Tensor, past: Tensor | None, div: int = 8) -> tuple[Tensor, Tensor]:
    """The causal shift for the next frames of a stream.

    Args:
        x: the next frames, ``[B, T, C, H, W]``, usually T = 1.
        past: first fold of the previous frame, ``[B, C // div, H, W]``; ``None`` (zeros) at the start of a stream.
        div: ``shift_div``.

    Returns:
        The shifted frames and the state for the next step.
    """
    fold = x.shape[2] // div
    view, c = _in_memory_order(x)
    moving, rest = view.split([fold, x.shape[2] - fold], c)
    before = torch.zeros_like(moving[:, :1]) if past is None else past.unsqueeze(1).movedim(2, c)
    shifted = torch.cat([before, moving[:, :-1]], 1)
    return torch.cat([shifted, rest], c).movedim(c, 2), x[:, -1, :fold]


def _from_next(x: Tensor, padding: Padding) -> Tensor:
    end = x[:, :1] if padding == "circulant" else torch.zeros_like(x[:, :1])
    return torch.cat([x[:, 1:], end], dim=1)


def _from_previous(x: Tensor, padding: Padding) -> Tensor:
    start = x[:, -1:] if padding == "circulant" else torch.zeros_like(x[:, :1])
    return torch.cat([start, x[:, :-1]], dim=1)


def _in_memory_order(x: Tensor) -> tuple[Tensor, int]:
    """Returns a view of the clips in memory order, and the index of its channel dimension.

    In channels-last memory, splitting and concatenating in this order is up to 5 times faster on a CPU than on the
    ``[B, T, C, H, W]`` view, and the result keeps the layout.
    """
    channels_last = x.stride(2) == 1 and x.shape[2] > 1
    return (x.movedim(2, -1), -1) if channels_last else (x, 2)


class TemporalShift(TemporalOperator):
    """Temporal shift as a module without parameters. Image-pretrained weights load unchanged.

    Args:
        context: the video model's forward context.
        div: ``shift_div``, at least 2. With 8, as in the paper, a quarter of the channels moves.
        causal: use past frames only.
        padding: ``"zero"`` or ``"circulant"``.
    """

    def __init__(
        self, context: ForwardContext, *, div: int = 8, causal: bool = False, padding: Padding = "zero"
    ) -> None:
        super().__init__(context, causal=causal)
        if not isinstance(div, int) or div < 2:
            raise OptionError(
                f"shift_div must be a whole number of at least 2, got {div!r}: two folds of C/shift_div channels move"
            )
        if padding not in ("zero", "circulant"):
            raise OptionError(f"padding must be 'zero' or 'circulant', got {padding!r}")
        if causal and padding == "circulant":
            raise OptionError(
                "causal=True needs padding='zero': circulant padding moves the last frame of a clip to its start"
            )
        self.div = div
        self.padding: Padding = padding

    @property
    def reach(self) -> Reach:
        # also with circulant padding, which treats the two ends of a clip as neighbours
        return Reach(1, 0) if self.causal else Reach(1, 1)

    def mix(self, clip: Tensor) -> Tensor:
        return temporal_shift(clip, self.div, causal=self.causal, padding=self.padding)

    def mix_step(self, clip: Tensor, past: State | None) -> tuple[Tensor, State]:
        mixed, kept = temporal_shift_step(clip, None if past is None else past[0], self.div)
        return mixed, (kept,)

    def extra_repr(self) -> str:
        return f"div={self.div}, causal={self.causal}, padding={self.padding}"
