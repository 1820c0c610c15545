"""A network on folded frames as one on clips ``[B, C, T, H, W]``: convolutions and poolings of depth 1.

OpenVINO runs a 3D convolution of depth 1 as fast as the 2D convolution. An operator over time is then an ordinary
convolution of the same tensor, and no tensor changes its layout.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx

from spatempo.runtime.graph import ELEMENTWISE, Graph, aten, map_sizes
from spatempo.runtime.rules import Layout
from spatempo.runtime.time_major import operator_call  # noqa: F401  (registers spatempo::operator)

# calls whose other arguments are the same for clips
SAME_ARGUMENTS = (
    *ELEMENTWISE,
    aten._native_batch_norm_legit_no_training.default,
    torch.ops.spatempo.operator.default,
)


class Volumes:
    """Tensors of a time-major graph as clips, made once for each tensor."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._made: dict[fx.Node, fx.Node] = {}

    def lift(self) -> None:
        """Rewrites all calls between the first convolution and the end that have a form on clips."""
        clip = next(node for node in self.graph.fx.nodes if node.op == "placeholder")
        batch, channels, frames = clip.meta["val"].shape[:3]
        for node in list(self.graph.fx.nodes):
            if node.op != "call_function":
                continue
            if not self._made and _is_folded(node, batch * frames, channels):
                self._made[node] = clip
                continue
            made = self._make(node)
            if made is not None:
                self._made[node] = made
        self._restore(clip)

    def _make(self, node: fx.Node) -> fx.Node | None:
        args = [self._made.get(a) if isinstance(a, fx.Node) else None for a in node.args]
        if not args or args[0] is None:
            return None
        with self.graph.before(node):
            if node.target is aten.conv2d.default:
                return self._conv(node, args[0])
            if node.target in SAME_ARGUMENTS:
                return self._call(node, node.target, args[0], *node.args[1:])
            if node.target is aten.add.Tensor and len(args) == 2 and args[1] is not None:
                return self._call(node, node.target, args[0], args[1])
            if node.target is operator.getitem and node.args[1] == 0:
                return self._call(node, operator.getitem, args[0], 0)
            if node.target in (aten.max_pool2d.default, aten.avg_pool2d.default):
                return self._pool(node, args[0])
        return None

    def _conv(self, node: fx.Node, x: fx.Node) -> fx.Node | None:
        _, weight, bias, stride, padding, dilation, groups = [*node.args, *[None] * 7][:7]
        assert isinstance(weight, fx.Node)
        if weight.op != "get_attr" or isinstance(padding, str):
            return None
        kernel = self.graph.add_constant(str(weight.target), self.graph.constant(weight).unsqueeze(2))
        depth = [[1, *_pair(stride, 1)], [0, *_pair(padding, 0)], [1, *_pair(dilation, 1)]]
        return self._call(node, aten.conv3d.default, x, kernel, bias, *depth, 1 if groups is None else groups)

    def _pool(self, node: fx.Node, x: fx.Node) -> fx.Node:
        _, kernel, stride, padding, *rest = [*node.args, *[None] * 4][: max(4, len(node.args))]
        size = [1, *_pair(kernel, 1)]
        step = [1, *_pair(stride, 1)] if stride else size
        three = aten.max_pool3d.default if node.target is aten.max_pool2d.default else aten.avg_pool3d.default
        if rest and node.target is aten.max_pool2d.default:
            rest = [[1, *_pair(rest[0], 1)], *rest[1:]]
        return self._call(node, three, x, size, step, [0, *_pair(padding, 0)], *rest)

    def _call(self, node: fx.Node, target: Any, *args: Any) -> fx.Node:
        made = self.graph.call(target, *args)
        made.meta["val"] = node.meta["val"]  # folded shape: only its channels are read
        made.meta["layout"] = "clips"
        return made

    def _restore(self, clip: fx.Node) -> None:
        """Folds a clip again where a call without a form on clips uses it."""
        done = set(self._made.values())
        for node, volume in list(self._made.items()):
            users = [user for user in node.users if user not in self._made and user not in done]
            if not users or volume is clip:
                continue
            with self.graph.after([volume]):
                major = self.graph.call(aten.permute.default, volume, [2, 0, 1, 3, 4])
                folded = self.graph.call(aten.reshape.default, major, [-1, *map_sizes(node)])
            for user in users:
                user.replace_input_with(node, folded)
        self.graph.clean()


def _is_folded(node: fx.Node, frames: Any, channels: Any) -> bool:
    """Whether a call gives the frames of the clip that the first convolution takes."""
    value = node.meta.get("val")
    if not isinstance(value, torch.Tensor) or value.ndim != 4 or value.shape[1] != channels:
        return False
    return bool(value.shape[0] == frames) and any(user.target is aten.conv2d.default for user in node.users)


def layout_of(node: fx.Node) -> Layout:
    """The layout of a tensor of a lifted or of a folded graph."""
    return "clips" if node.meta.get("layout") == "clips" or node.op == "placeholder" else "frames"


def _pair(value: Any, default: int) -> list[int]:
    values = [default] if value is None else list(value) if isinstance(value, list | tuple) else [value]
    return values * 2 if len(values) == 1 else values
