"""What a rule is given: the call of an operator in a traced graph, and how the residual stream is carried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from torch import fx

from spatempo.runtime.graph import Graph, aten, map_sizes
from spatempo.runtime.streams import Streams

Form = Literal["whole", "concat", "sum", "taps"]
"""How the residual stream is carried to an operator that moves some of its channels: ``whole``, one tensor that is cut
at the operator; ``concat``, the groups of channels apart and joined before the next convolution; ``sum``, the groups
apart, and each convolution of them as the sum of one over the moving and one over the resting channels; ``taps``, one
tensor that a depthwise convolution over time with weights 0 and 1 shifts, in the layout ``clips`` (elsewhere as
``whole``). See :func:`spatempo.runtime.forms.best_form`."""
FORMS: tuple[str, ...] = get_args(Form)
Layout = Literal["frames", "clips"]
"""Shape of the maps: ``frames``, time-major ``[T*B, C, H, W]``, or ``clips``, ``[B, C, T, H, W]`` with convolutions of
depth 1."""


@dataclass
class Site:
    """The call of an operator that a rule replaces.

    Attributes:
        graph, streams: the graph, and its tensors' groups of channels.
        call: the call; its uses are to be replaced.
        operator: the operator.
        x: the call's input, time-major ``[T*B, C, H, W]``, or ``[B, C, T, H, W]``.
        clips, frames: B and T, numbers or the nodes that compute them.
        form: how the stream is carried.
        layout: of ``x``: ``frames`` or ``clips``.
    """

    graph: Graph
    streams: Streams
    call: fx.Node
    operator: Any
    x: fx.Node
    clips: Any
    frames: Any
    form: Form
    layout: Layout

    def clip_maps(self) -> fx.Node:
        """``x`` as ``[B, C, T, H, W]``, at the current insertion point."""
        if self.layout == "clips":
            return self.x
        apart = self.graph.call(aten.reshape.default, self.x, [self.frames, self.clips, *map_sizes(self.x)])
        return self.graph.call(aten.permute.default, apart, [1, 2, 0, 3, 4])

    def from_clip_maps(self, y: fx.Node) -> fx.Node:
        """Maps ``[B, C, T, H, W]`` in the layout of the call."""
        if self.layout == "clips":
            return y
        major = self.graph.call(aten.permute.default, y, [2, 0, 1, 3, 4])
        return self.graph.call(aten.reshape.default, major, [-1, *map_sizes(self.call)])


@dataclass(frozen=True)
class Rule:
    """How an operator is written in an exported network.

    Attributes:
        clip: replaces the call of the operator on whole clips.
        step: replaces the call for one frame with state ``(x, past) -> (mixed, kept)``; ``None``: there is no rule.
        applies: whether the rule covers an operator with its settings.
        layouts: of the maps, for which there is a form that is faster than the operator's own.
    """

    clip: Callable[[Site], None]
    step: Callable[[Site, fx.Node], None] | None = None
    applies: Callable[[Any], bool] = lambda operator: True
    layouts: tuple[Layout, ...] = ("frames", "clips")
