"""The small interface through which 2D backbones are seen, whichever library they come from.

A backbone here is the library's own network, unchanged but for its last linear layer, so every other parameter keeps
its name; beside it stand three plain facts: how to get its maps, how to pool them, and which weights belonged to the
classifier that was taken off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from spatempo.inputs.modality import Modality
from spatempo.models.chain import Link


@dataclass
class Backbone:
    """A 2D network without its classifier.

    Attributes:
        net: the network; its parameters have the names of the library it comes from.
        source: ``spatempo/NAME``, ``torchvision/NAME`` or ``timm/NAME``.
        features: channels of the pooled feature that the classifier got.
        maps: ``(net, images [N, 3, H, W]) -> [N, C', H', W']``.
        pool: ``(net, maps) -> [N, features]``.
        classifier: prefixes of the weights that were taken off, for example ``("fc.",)``.
        preprocess: what the network was made for where that is not ImageNet's usual, as fields of ``Preprocess``.
        links: the network as a chain of layers, where it is known as one; :class:`~spatempo.models.chain.RunChain` of
            them is then ``maps``.
        adapt: ``(weights, modality)`` makes a weight file of the published form into one of the network's, where they
            differ.
    """

    net: nn.Module
    source: str
    features: int
    maps: Callable[[nn.Module, Tensor], Tensor]
    pool: Callable[[nn.Module, Tensor], Tensor]
    classifier: tuple[str, ...]
    preprocess: dict[str, Any] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    adapt: Callable[[dict[str, Tensor], Modality], dict[str, Tensor]] | None = None


def mean_pool(net: nn.Module, maps: Tensor) -> Tensor:
    """The average over space, ``[N, C', H', W'] -> [N, C']``."""
    return maps.mean((2, 3))
