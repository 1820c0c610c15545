"""A model whose folded frames are in time-major order: frame t of all clips, then frame t + 1.

A shift by one frame is then a move by B along the batch axis, for every B and T: no tensor of five dimensions is
needed, and an engine keeps its own memory layout. An operator with a rule (:mod:`spatempo.runtime.rules`) is traced as
one call, which the rule replaces. Any other operator runs its own ``mix`` between two transposes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from spatempo.models.video_model import VideoModel
from spatempo.operators.base import ReplacingOperator, TemporalOperator
from spatempo.operators.context import ForwardContext, State


class TimeMajorContext(ForwardContext):
    """A forward context that folds frames as ``[T*B, ...]``. Tapped outputs are handed out as ``[B*T, ...]``."""

    clips: int = 0
    """B of the clips that were folded last."""

    def fold(self, clip: Tensor) -> Tensor:
        self.clips = clip.shape[0]
        return clip.transpose(0, 1).flatten(0, 1)

    def unfold(self, frames: Tensor) -> Tensor:
        return frames.unflatten(0, (self.frames, -1)).transpose(0, 1)

    def tap(self, name: str, output: Tensor) -> None:
        super().tap(name, self.unfold(output).flatten(0, 1))


@torch.library.custom_op("spatempo::operator", mutates_args=())
def operator_call(x: Tensor, clips: int, frames: int, index: int, channels: int, stride: int) -> Tensor:
    """Stands for the operator `index` in a traced graph until its rule replaces the call; never runs."""
    raise RuntimeError("an operator of a traced network was not replaced by its rule")


@operator_call.register_fake
def _(x: Tensor, clips: int, frames: int, index: int, channels: int, stride: int) -> Tensor:
    height, width = (-(-side // stride) for side in x.shape[-2:])
    return x.new_empty(x.shape[0], channels, height, width)


@torch.library.custom_op("spatempo::operator_step", mutates_args=())
def operator_step_call(x: Tensor, past: Tensor, index: int) -> tuple[Tensor, Tensor]:
    """As :func:`operator_call` for one frame per stream: the mixed frame, and the state for the next step."""
    raise RuntimeError("an operator of a traced network was not replaced by its rule")


@operator_step_call.register_fake
def _(x: Tensor, past: Tensor, index: int) -> tuple[Tensor, Tensor]:
    return torch.empty_like(x), torch.empty_like(past)


def time_major(model: VideoModel) -> VideoModel:
    """A copy of a model, in eval mode, that folds frames in time-major order; it computes the same."""
    # every part of the copy that refers to the model's forward context refers to this one instead
    copied = copy.deepcopy(model, {id(model.context): TimeMajorContext()})
    return copied.eval()


class ClipNetwork(nn.Module):
    """``clip -> logits``, to be traced.

    Args:
        model: of :func:`time_major`; it is changed.
        has_rule: whether an operator is traced as one call.
    """

    def __init__(self, model: VideoModel, has_rule: Callable[[TemporalOperator], bool]) -> None:
        super().__init__()
        self.model = model
        self.replaced = [operator for operator in model.operators if has_rule(operator)]
        for index, operator in enumerate(self.replaced):
            operator.forward = _Call(model.context, operator, index)

    def forward(self, clip: Tensor) -> Tensor:
        return self.model(clip)


class StepNetwork(nn.Module):
    """``(frames, state) -> (logits, state)`` of a causal model, to be traced."""

    def __init__(self, model: VideoModel, has_rule: Callable[[TemporalOperator], bool]) -> None:
        super().__init__()
        self.model = model
        one_frame = model.step_frames == 1
        self.replaced = [operator for operator in model.operators if one_frame and has_rule(operator)]
        for index, operator in enumerate(self.replaced):
            operator.forward = _StepCall(model.context, operator, index)

    def forward(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        return self.model.step(frames, state)


class _Call:
    def __init__(self, context: ForwardContext, operator: TemporalOperator, index: int) -> None:
        self.context, self.index = context, index
        shapes = operator.image_shapes if isinstance(operator, ReplacingOperator) else {}
        self.channels = shapes["weight"][0] if "weight" in shapes else None  # of the output, where they may differ
        self.stride = int(getattr(operator, "stride", 1))

    def __call__(self, x: Tensor) -> Tensor:
        assert isinstance(self.context, TimeMajorContext)
        channels = x.shape[1] if self.channels is None else self.channels
        return operator_call(x, self.context.clips, self.context.frames, self.index, channels, self.stride)


class _StepCall:
    def __init__(self, context: ForwardContext, operator: TemporalOperator, index: int) -> None:
        self.context, self.operator, self.index = context, operator, index

    def __call__(self, x: Tensor) -> Tensor:
        past: State | None = self.context.past(1)
        assert past is not None
        mixed, kept = operator_step_call(x, past[0], self.index)
        self.context.keep(self.operator, (kept,))
        return mixed
