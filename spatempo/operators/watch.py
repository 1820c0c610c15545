"""Records the outputs of layers inside a ``with`` block. The network itself stores nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn


def named_parts(model: nn.Module, kind: type[nn.Module], part: str) -> dict[str, nn.Module]:
    """Layer ``part`` of every module of class ``kind`` that has one, by module name, in network order."""
    named = [(name, getattr(module, part)) for name, module in model.named_modules() if isinstance(module, kind)]
    return {name: layer for name, layer in named if layer is not None}


@contextmanager
def watch(layers: Mapping[str, nn.Module], *, first: bool = False) -> Iterator[dict[str, Tensor]]:
    """Records the outputs of layers ::

        with watch(layers) as seen:
            model(clip)
        seen[name]

    Each forward pass overwrites the recorded values.

    Args:
        layers: the layers, by the names to record them under.
        first: record the output before any other forward hook, such as an operator, changes it.

    Yields:
        Detached outputs by name, in the order in which the layers ran.
    """
    seen: dict[str, Tensor] = {}
    handles = []
    for name, layer in layers.items():

        def record(_: nn.Module, __: object, output: Tensor, name: str = name) -> None:
            seen[name] = output.detach()

        handles.append(layer.register_forward_hook(record, prepend=first))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
