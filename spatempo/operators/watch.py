"""Seeing what goes on inside a network, while a block of code lasts; the network itself keeps nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn


def parts_of(model: nn.Module, kind: type[nn.Module], part: str) -> dict[str, nn.Module]:
    """By the name of each module of class ``kind``, in the order of the network, its layer ``part``, if it has it."""
    named = [(name, getattr(module, part)) for name, module in model.named_modules() if isinstance(module, kind)]
    return {name: layer for name, layer in named if layer is not None}


@contextmanager
def watch(layers: Mapping[str, nn.Module], *, first: bool = False) -> Iterator[dict[str, Tensor]]:
    """Lets one see what layers put out ::

        with watch(layers) as seen:
            model(clip)
        seen[name]

    Each forward pass replaces what the last one left.

    Args:
        layers: by the names under which their values are wanted.
        first: before any operator mixes what a layer puts out.

    Yields:
        By those names, in the order in which the layers ran, their detached values.
    """
    seen: dict[str, Tensor] = {}
    handles = []
    for name, layer in layers.items():

        def note(_: nn.Module, __: object, output: Tensor, name: str = name) -> None:
            seen[name] = output.detach()

        handles.append(layer.register_forward_hook(note, prepend=first))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
