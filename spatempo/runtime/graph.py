"""A traced network as a graph of ATen calls with named constants, and the few operations that graph passes need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn

aten = torch.ops.aten
ELEMENTWISE = (
    aten.relu.default,
    aten.hardtanh.default,
    aten.hardswish.default,
    aten.silu.default,
    aten.gelu.default,
    aten.sigmoid.default,
)


class Graph:
    """The graph of a traced module while passes rewrite it.

    Args:
        module: a graph module whose parameters and buffers are its constants.
    """

    def __init__(self, module: fx.GraphModule) -> None:
        self.module = module
        self.fx = module.graph

    def nodes(self, *targets: Any) -> list[fx.Node]:
        """All calls of the given functions, in the order in which they run."""
        return [node for node in self.fx.nodes if node.op == "call_function" and node.target in targets]

    def constant(self, node: fx.Node) -> Tensor:
        """The tensor that a constant's node stands for."""
        value: Any = self.module
        for name in str(node.target).split("."):
            value = getattr(value, name)
        return value

    def add_constant(self, name: str, value: Tensor) -> fx.Node:
        """A new constant at the current insertion point; its name is made unique."""
        name = name.replace(".", "_")
        unique, count = name, 1
        while hasattr(self.module, unique):
            unique, count = f"{name}_{count}", count + 1
        self.module.register_buffer(unique, value.detach().contiguous().clone())
        return self.fx.get_attr(unique)

    def call(self, function: Any, *arguments: Any) -> fx.Node:
        """A call at the current insertion point."""
        return self.fx.call_function(function, arguments)

    @contextmanager
    def before(self, node: fx.Node) -> Iterator[None]:
        """Inserts before a node."""
        with self.fx.inserting_before(node):
            yield

    @contextmanager
    def after(self, nodes: Sequence[fx.Node]) -> Iterator[None]:
        """Inserts after the last of some nodes."""
        wanted = set(nodes)
        last = next(node for node in reversed(self.fx.nodes) if node in wanted)
        with self.fx.inserting_before(last.next):
            yield

    def clean(self) -> None:
        """Removes calls whose results nothing uses."""
        self.fx.eliminate_dead_code()

    def finish(self) -> fx.GraphModule:
        """The rewritten module, with the constants that it uses and no others, in eval mode."""
        self.clean()
        self.fx.lint()
        return fx.GraphModule(self.module, self.fx).eval()


def trace(module: nn.Module, example: tuple[Any, ...], dynamic_shapes: Any) -> Graph:
    """A module as a functional graph: no in-place writes, batch norms and convolutions as single calls.

    Args:
        module: in eval mode.
        example: inputs.
        dynamic_shapes: as :func:`torch.export.export` takes them.
    """
    program = torch.export.export(module, example, dynamic_shapes=dynamic_shapes).run_decompositions({})
    traced = program.module(check_guards=False)
    assert isinstance(traced, fx.GraphModule)
    return Graph(traced)


def channels(node: fx.Node) -> int:
    """C of a call that gives maps ``[N, C, ...]``."""
    return int(node.meta["val"].shape[1])


def map_sizes(node: fx.Node) -> list[int]:
    """C, H and W of a call that gives folded maps ``[N, C, H, W]``."""
    return [int(size) for size in node.meta["val"].shape[1:]]
