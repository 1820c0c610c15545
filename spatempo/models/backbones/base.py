"""Common interface of 2D backbones from all libraries.

A backbone is the library's network without its last linear layer, so all other parameters keep their names. Its
description says how to compute its maps, how to pool them, and which weights belong to the removed classifier.
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
        net: the network; its parameters have the names used by its library.
        source: ``spatempo/NAME``, ``torchvision/NAME`` or ``timm/NAME``.
        features: number of channels of the pooled features, the input of the classifier.
        maps: ``(net, images [N, 3, H, W]) -> [N, C', H', W']``.
        pool: ``(net, maps) -> [N, features]``.
        classifier: prefixes of the weights of the removed classifier, for example ``("fc.",)``.
        preprocess: fields of ``Preprocess`` in which the network differs from the usual ImageNet settings.
        links: the network as a chain of layers, empty if that is unknown; ``maps`` is then the same as running the
            chain (:class:`~spatempo.models.chain.RunChain`).
        adapt: ``(weights, modality)``, converts published weights to those of the network, if they differ.
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
