"""What a design is given to build a model with (:class:`Build`), and what it gives back (:class:`Parts`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor, nn

from spatempo.inputs.spec import Preprocess
from spatempo.models.chain import Link, RunChain
from spatempo.models.consensus import make_consensus
from spatempo.models.head import Head, LinearHead
from spatempo.operators.context import ForwardContext


class Plug(NamedTuple):
    """One operator and where it was placed.

    Attributes:
        name: of the module at which it is, in the 2D network: ``layer1.0.conv1``.
        kind: ``"conv"`` (mixes what the convolution gets), ``"before"`` (what a block gets), ``"after"`` (what a module
            puts out), or ``"replace"`` (is there instead of the module).
        module: the module at which it is; for ``"replace"`` the operator itself.
        operator: the operator.
    """

    name: str
    kind: str
    module: nn.Module
    operator: nn.Module

    def __str__(self) -> str:
        """One line for a checkpoint; of the operator only its class and :meth:`extra_repr`.

        How torch prints an operator's layers is left out: it follows from that, and changes between versions.
        """
        return f"{self.name} {self.kind}: {type(self.operator).__name__}({self.operator.extra_repr()})"


@dataclass
class Build:
    """A model under construction: the 2D network, and the facts that a design may need.

    Attributes:
        net: the 2D network without its classifier, on which :mod:`spatempo.models.seams` works; of a native design an
            empty module.
        source: where the network is from, for example ``torchvision/resnet50``; of a native design its size, ``"18"``.
        context: the model's forward context, for operators.
        num_classes: K.
        features: F, channels of the pooled feature that a head gets.
        dropout: before the classifier.
        input: input specification of the model; ``input.frames`` is T.
        links: the network as a chain of layers, where it is known as one.
        maps: ``(net, images [N, 3, H, W]) -> [N, C', H', W']``.
        plugs: what was placed where; written by ``seams``.
        removed: prefixes of image weights that have no use any more; written by ``seams``.
    """

    net: nn.Module
    source: str
    context: ForwardContext
    num_classes: int
    features: int
    dropout: float
    input: Preprocess
    links: tuple[Link, ...] = ()
    maps: Callable[[nn.Module, Tensor], Tensor] = field(default=RunChain(()))
    plugs: list[Plug] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    @property
    def frames(self) -> int:
        """T, frames of a clip."""
        return self.input.frames

    def linear_head(
        self, features: int | None = None, *, consensus: str = "average", pool: str = "logits"
    ) -> LinearHead:
        """The usual head, see :class:`~spatempo.models.head.LinearHead`.

        Args:
            features: F where it is not the network's.
            consensus: by name, see :func:`~spatempo.models.consensus.make_consensus`.
            pool: ``"logits"`` or ``"features"``.
        """
        features = features or self.features
        made = make_consensus(consensus, features, self.frames)
        return LinearHead(features, self.num_classes, self.dropout, consensus=made, pool=pool)


@dataclass(frozen=True)
class Parts:
    """What a design brings besides the operators that it places. Everything is optional.

    Attributes:
        head: from features to logits; the default is :meth:`Build.linear_head`.
        input: input specification, where it differs from ``build.input``.
        feature_maps: a module from the 2D network's maps of a clip, ``[B, C, T, H, W]``, to the model's,
            ``[B, C', T', H', W']``, which are then averaged over space; for example a 3D tail. Its parameters are
            stored under ``tail.``.
        causal: whether the model can go frame by frame; ``None`` (the default) is no.
        network: of a native design, the whole network: clips ``[B, C, T, H, W]`` to maps (see
            :class:`~spatempo.models.native.model.NativeModel`).
        extra_inputs: names of keyword inputs, such as ``("boxes",)``: ``model(clip, boxes=...)``. Operators and the
            head read them from ``build.context.extras``.
        options: settled values of options, where they are not those given.
        weights_source: ``library/name`` whose published weight sets fit the network, for example
            ``torchvision/r3d_18``, where it is not ``build.source``.
    """

    head: Head | None = None
    input: Preprocess | None = None
    feature_maps: nn.Module | None = None
    causal: bool | None = None
    network: nn.Module | None = None
    extra_inputs: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    weights_source: str | None = None


def in_network_order(plugs: Sequence[Plug], net: nn.Module) -> tuple[Plug, ...]:
    """Plugs in the order in which the network has their modules, which is as good as that in which they run."""
    position = {name: i for i, (name, _) in enumerate(net.named_modules())}
    rank = {"before": 0, "conv": 1, "replace": 2, "after": 3}

    def key(plug: Plug) -> tuple[int, int]:
        if plug.kind != "after":
            return position[plug.name], rank[plug.kind]
        inside = (i for name, i in position.items() if name == plug.name or name.startswith(f"{plug.name}."))
        return max(inside), rank[plug.kind]  # after all that is inside the module

    return tuple(sorted(plugs, key=key))
