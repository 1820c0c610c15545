"""What a design is, and how one is entered: the one thing that a file with a new operator needs from the catalogue."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from spatempo.preprocess import Preprocess

# What `list_models` shows for a design that serves any residual backbone. Every other one it can serve works too.
LISTED_BACKBONES = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnext50",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "efficientnet_b0",
    "regnet_y_800mf",
    "convnext_tiny",
    "smallresnet",
)

Variants = Mapping[str, tuple[str, dict[str, Any]]]


@dataclass(frozen=True)
class Design:
    """A way to make a video network.

    Attributes:
        name: for example ``tsm``.
        source: the paper.
        options: names and defaults of the design's options.
        backbones: what ``list_models`` combines it with; of a video-native design, the sizes that there are.
        variants: names of the catalogue that stand for a backbone (or size) with options other than the defaults, as
            ``"resnet50_nl": ("resnet50", {"non_local": True})`` for ``tsm_resnet50_nl``.
        plug: ``(net, call, source, **options)`` plugs operators into a 2D network, in place.
        preprocess: what its models are fed unless told otherwise.
        older: values of options that checkpoints from before the option existed do not name, where that is not the
            default.
        build: ``(size, *, name, num_classes, dropout, preprocess, **options) -> VideoModel``, of a video-native design.
    """

    name: str
    source: str
    options: dict[str, Any]
    backbones: tuple[str, ...]
    plug: Callable[..., None] | None = None
    build: Callable[..., Any] | None = None
    preprocess: Preprocess = field(default_factory=Preprocess)
    variants: Variants = field(default_factory=dict)
    older: Mapping[str, Any] = field(default_factory=dict)


DESIGNS: dict[str, Design] = {}


def register_design(
    name: str,
    *,
    source: str,
    backbones: tuple[str, ...] = LISTED_BACKBONES,
    variants: Variants | None = None,
    older: Mapping[str, Any] | None = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorator: enters ``plug(net, call, source, *, causal=False, ...)`` as a design.

    Its keyword-only parameters are the design's options.
    """

    def register(plug: Callable[..., None]) -> Callable[..., None]:
        options = _keyword_only(plug)
        DESIGNS[name] = Design(name, source, options, backbones, plug=plug, variants=variants or {}, older=older or {})
        return plug

    return register


def register_native(
    name: str, *, source: str, sizes: tuple[str, ...], preprocess: Preprocess | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: enters ``build(size, *, name, num_classes, dropout, preprocess, ...)`` as a video-native design.

    Its other keyword-only parameters are the design's options; ``<name>_<size>`` are its models. ``preprocess`` is what
    they are fed unless told otherwise.
    """

    def register(build: Callable[..., Any]) -> Callable[..., Any]:
        given = ("name", "num_classes", "dropout", "preprocess")
        options = {k: v for k, v in _keyword_only(build).items() if k not in given}
        fed = preprocess or Preprocess()
        DESIGNS[name] = Design(name, source, options, sizes, build=build, preprocess=fed)
        return build

    return register


def _keyword_only(function: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
