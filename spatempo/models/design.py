"""What a design is, and how one is registered."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from spatempo.inputs.spec import Preprocess
from spatempo.models.build import Parts
from spatempo.models.layout import WeightLayout
from spatempo.models.published import Published

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

Plugger = Callable[..., "Parts | None"]
Case = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Design:
    """A way to make a video network.

    Attributes:
        name: for example ``tsm``; may contain underscores.
        source: the paper.
        options: names and defaults of the design's options.
        backbones: what ``list_models`` combines it with; of a native design its sizes, ``""`` where its
            name is that of its only model.
        plug: ``(build, **options) -> Parts | None`` places operators in ``build.net``, or makes a native network.
        native: whether it brings its own network instead of working on a 2D backbone.
        preprocess: input specification of its models unless told otherwise.
        variants: names that stand for a backbone (or size) with options other than the defaults, as
            ``"resnet50_nl": ("resnet50", {"non_local": True})`` for ``tsm_resnet50_nl``.
        older: values of options that checkpoints from before the option existed do not name, where that is not the
            default.
        fixed_frames: whether its parameters depend on T. The number of frames is then stored with the options, and
            another T raises one clear error.
        layouts: weight files of other code that its models read.
        published: published figures by the rest of the model's name: ``{"resnet50": (Published(...), ...)}``.
        small: its smallest test configurations by label, ``""`` for the design as it is:
            ``(backbone or size, options)``. The contract tests run them all.
        studied: what ``python -m spatempo.studies.designs`` trains, by label as in ``small``; by default the smallest
            one, and its causal form if there is one.
        order_blind: whether it gives a clip and its frames in any other order the same score.
        settle: ``(model, layout, options)``, called once foreign weights are in: takes over what else they ask for.
            ``layout`` is the name of the file's layout, or empty; ``options`` are those of a checkpoint of ours.
    """

    name: str
    source: str
    options: dict[str, Any]
    backbones: tuple[str, ...]
    plug: Plugger
    native: bool = False
    preprocess: Preprocess = field(default_factory=Preprocess)
    variants: Mapping[str, Case] = field(default_factory=dict)
    older: Mapping[str, Any] = field(default_factory=dict)
    fixed_frames: bool = False
    layouts: tuple[WeightLayout, ...] = ()
    published: Mapping[str, tuple[Published, ...]] = field(default_factory=dict)
    small: Mapping[str, Case] = field(default_factory=lambda: {"": ("smallresnet", {})})
    studied: Mapping[str, Case] | None = None
    order_blind: bool = False
    settle: Callable[[Any, str, Mapping[str, Any]], None] | None = None

    @property
    def studies(self) -> Mapping[str, Case]:
        """What is trained to see whether the design sees order, by label."""
        if self.studied is not None:
            return self.studied
        backbone, options = self.small[""]
        causal = {"causal": (backbone, {**options, "causal": True})} if self.has_causal_form else {}
        return {"": (backbone, options), **causal}

    @property
    def has_causal_form(self) -> bool:
        """Whether it has the option ``causal``."""
        return "causal" in self.options

    def model_name(self, rest: str) -> str:
        """The name of one of its models."""
        return f"{self.name}_{rest}" if rest else self.name


DESIGNS: dict[str, Design] = {}


def register_design(
    name: str,
    *,
    source: str,
    backbones: tuple[str, ...] = LISTED_BACKBONES,
    sizes: tuple[str, ...] | None = None,
    **facts: Any,
) -> Callable[[Plugger], Plugger]:
    """Decorator: registers ``plug(build, *, ...) -> Parts | None`` as a design.

    Its keyword-only parameters are the design's options.

    Args:
        name: the design's.
        source: the paper.
        backbones: 2D networks that ``list_models`` combines it with.
        sizes: of a native design, whose function makes the network itself (``Parts(network=...)``): its models are
            ``<name>_<size>``, and just ``<name>`` for the size ``""``.
        **facts: any other field of :class:`Design`.

    Raises:
        ValueError: the name is taken.
    """

    def register(plug: Plugger) -> Plugger:
        if name in DESIGNS:
            raise ValueError(f"a design called {name!r} is registered already ({DESIGNS[name].source})")
        parameters = inspect.signature(plug).parameters.values()
        options = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        served = backbones if sizes is None else sizes
        DESIGNS[name] = Design(name, source, options, served, plug, native=sizes is not None, **facts)
        return plug

    return register
