"""A 2D network as a chain: links that give its maps when they run one after the other, and where the chain is parted.

Designs with several stages need it: a 2D trunk under a 3D tail, a module between two stages. Not every network is a
chain of modules; those of unknown make have no links and cannot be parted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from spatempo.errors import SpatempoError


class Link(NamedTuple):
    """One link.

    Attributes:
        name: ``layer2``, or ``inception_3a``.
        run: ``(net, x) -> x``; it takes the network, so that a copy of a model runs its own layers.
        modules: names of the network's modules that only this link runs.
    """

    name: str
    run: Callable[[nn.Module, Tensor], Tensor]
    modules: tuple[str, ...]


class _RunModule(NamedTuple):
    name: str

    def __call__(self, net: nn.Module, x: Tensor) -> Tensor:
        return net.get_submodule(self.name)(x)


class RunChain(NamedTuple):
    """Links one after the other, as the function ``(net, images) -> maps`` of a backbone."""

    links: tuple[Link, ...]

    def __call__(self, net: nn.Module, x: Tensor) -> Tensor:
        for link in self.links:
            x = link.run(net, x)
        return x


def module_chain(*names: str) -> tuple[Link, ...]:
    """Links that are one module each."""
    return tuple(Link(name, _RunModule(name), (name,)) for name in names)


def part(net: nn.Module, links: Sequence[Link], name: str, source: str) -> tuple[RunChain, RunChain]:
    """What runs up to and including the layer ``name``, and what runs on from its output.

    Args:
        net: the network.
        links: its chain.
        name: a link, or a layer inside a link that is a plain sequence: ``layer2``, ``layer2.0``, ``features.6``.
        source: of the network, for the error.

    Raises:
        SpatempoError: the network is no known chain, or the chain has no such layer.
    """
    if not links:
        raise SpatempoError(f"{source} is not known as a chain of layers, so it cannot be parted at {name!r}")
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
        f"{source} has no layer {name!r} at which it can be parted; it has {', '.join(link.name for link in links)}"
    )
