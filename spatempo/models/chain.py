"""A 2D network as a chain of links that run one after the other, and splitting such a chain.

Some designs need this: a 2D trunk with a 3D tail, or a module between two stages. Not every network is a chain of
modules. Networks of unknown structure have no links and cannot be split.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from spatempo.errors import SpatempoError


class Link(NamedTuple):
    """One link of a chain.

    Attributes:
        name: for example ``layer2`` or ``inception_3a``.
        run: ``(net, x) -> x``; it takes the network as an argument so that a copy of a model runs its own layers.
        modules: names of the modules that only this link runs.
    """

    name: str
    run: Callable[[nn.Module, Tensor], Tensor]
    modules: tuple[str, ...]


class _RunModule(NamedTuple):
    name: str

    def __call__(self, net: nn.Module, x: Tensor) -> Tensor:
        return net.get_submodule(self.name)(x)


class RunChain(NamedTuple):
    """Runs links one after the other: the function ``(net, images) -> maps`` of a backbone."""

    links: tuple[Link, ...]

    def __call__(self, net: nn.Module, x: Tensor) -> Tensor:
        for link in self.links:
            x = link.run(net, x)
        return x


def module_chain(*names: str) -> tuple[Link, ...]:
    """A chain in which each link is one module."""
    return tuple(Link(name, _RunModule(name), (name,)) for name in names)


def split_chain(net: nn.Module, links: Sequence[Link], name: str, source: str) -> tuple[RunChain, RunChain]:
    """Splits a chain after the layer ``name``: the links up to and including it, and the links after it.

    Args:
        net: the network.
        links: its chain.
        name: a link, or a layer inside a link that is an ``nn.Sequential``: ``layer2``, ``layer2.0``, ``features.6``.
        source: origin of the network, for the error message.

    Raises:
        SpatempoError: the network has no chain, or the chain has no such layer.
    """
    if not links:
        raise SpatempoError(f"{source} has no known chain of layers, so it cannot be split at {name!r}")
    before: list[Link] = []
    rest = list(links)
    while rest:
        link = rest.pop(0)
        if link.name == name:
            return RunChain((*before, link)), RunChain(tuple(rest))
        module = net.get_submodule(link.name) if isinstance(link.run, _RunModule) else None
        if name.startswith(f"{link.name}.") and isinstance(module, nn.Sequential):
            rest[:0] = module_chain(*(f"{link.name}.{child}" for child, _ in module.named_children()))
        else:
            before.append(link)
    raise SpatempoError(
        f"{source} has no layer {name!r} at which it can be split; it has {', '.join(link.name for link in links)}"
    )
