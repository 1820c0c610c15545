"""Input and output of a design function: it receives a :class:`Build` and may return :class:`Parts`."""

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
    """An operator and its place in the network.

    Attributes:
        name: name of the module in the 2D network, for example ``layer1.0.conv1``.
        kind: ``"conv"`` (applied to the input of a convolution), ``"before"`` (to the input of a block), ``"after"``
            (to the output of a module), or ``"replace"`` (replaces the module).
        module: the module with this name; for ``"replace"`` the operator itself.
        operator: the operator.
    """

    name: str
    kind: str
    module: nn.Module
    operator: nn.Module

    def __str__(self) -> str:
        """One line for checkpoints, with the operator's class and :meth:`extra_repr`.

        The operator's layers are not printed, because their text changes between torch versions.
        """
        return f"{self.name} {self.kind}: {type(self.operator).__name__}({self.operator.extra_repr()})"


@dataclass
class Build:
    """A model under construction.

    Attributes:
        net: the 2D network without its classifier, which the functions of :mod:`spatempo.models.seams` modify. An empty
            module for native designs.
        source: origin of the network, for example ``torchvision/resnet50``. For native designs its size, ``"18"``.
        context: the model's forward context, for operators.
        num_classes: K.
        features: F, channels of the pooled features that the head receives.
        dropout: dropout probability before the classifier.
        input: input specification of the model; ``input.frames`` is T.
        links: the network as a chain of layers, empty if that is unknown.
        maps: ``(net, images [N, 3, H, W]) -> [N, C', H', W']``.
        plugs: the operators placed so far; filled by ``seams``.
        removed: prefixes of image weights that are no longer used; filled by ``seams``.
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
        """T, the number of frames per clip."""
        return self.input.frames

    def linear_head(
        self, features: int | None = None, *, consensus: str = "average", pool: str = "logits"
    ) -> LinearHead:
        """Creates the default head, see :class:`~spatempo.models.head.LinearHead`.

        Args:
            features: F, if it differs from that of the network.
            consensus: name of the consensus, see :func:`~spatempo.models.consensus.make_consensus`.
            pool: ``"logits"`` or ``"features"``.
        """
        features = features or self.features
        module = make_consensus(consensus, features, self.frames)
        return LinearHead(features, self.num_classes, self.dropout, consensus=module, pool=pool)


@dataclass(frozen=True)
class Parts:
    """Parts of a model that a design provides in addition to its operators. All are optional.

    Attributes:
        head: maps features to logits; the default is :meth:`Build.linear_head`.
        input: input specification, if it differs from ``build.input``.
        feature_maps: a module applied to the 2D network's maps of a clip, for example a 3D tail:
            ``[B, C, T, H, W] -> [B, C', T', H', W']``. Its output is averaged over space. Its parameters are stored
            under ``tail.``.
        causal: whether the model can process a clip frame by frame; ``None`` (the default) means no.
        network: the whole network of a native design: clips ``[B, C, T, H, W]`` to maps (see
            :class:`~spatempo.models.native.model.NativeModel`).
        extra_inputs: names of keyword inputs, such as ``("boxes",)``: ``model(clip, boxes=...)``. Operators and the
            head read them from ``build.context.extras``.
        options: final values of options that differ from the given ones.
        weights_source: ``library/name`` whose published weight sets fit the network, for example
            ``torchvision/r3d_18``, if it is not ``build.source``.
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
    """Sorts plugs by the position of their modules in the network, which is the order in which they run."""
    position = {name: i for i, (name, _) in enumerate(net.named_modules())}
    rank = {"before": 0, "conv": 1, "replace": 2, "after": 3}

    def key(plug: Plug) -> tuple[int, int]:
        if plug.kind != "after":
            return position[plug.name], rank[plug.kind]
        inside = (i for name, i in position.items() if name == plug.name or name.startswith(f"{plug.name}."))
        return max(inside), rank[plug.kind]  # after all submodules of the module

    return tuple(sorted(plugs, key=key))
