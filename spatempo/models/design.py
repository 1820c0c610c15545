"""The description of a design, and the decorator that registers one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from spatempo.inputs.spec import Preprocess
from spatempo.models.build import Parts
from spatempo.models.layout import WeightLayout
from spatempo.models.published import Published

# Backbones that `list_models` shows for a design that supports any residual backbone. Others work too.
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
    """A published method for building a video network.

    Attributes:
        name: for example ``tsm``; may contain underscores.
        source: the paper.
        options: names and default values of the design's options.
        backbones: backbones that ``list_models`` combines it with. For native designs its sizes, with ``""`` for a
            model whose name is the design's name.
        plug: ``(build, **options) -> Parts | None``; places operators in ``build.net``, or creates a native network.
        native: whether it creates its own network instead of using a 2D backbone.
        preprocess: default input specification of its models.
        variants: names for a backbone (or size) with options other than the defaults, for example
            ``"resnet50_nl": ("resnet50", {"non_local": True})`` for ``tsm_resnet50_nl``.
        older_defaults: option values for checkpoints older than the option, if they differ from the default.
        fixed_frames: whether its parameters depend on T. The number of frames is then stored with the options, and
            clips of another T raise an error.
        layouts: layouts of weight files of other code that its models can read.
        published: published figures by the rest of the model's name: ``{"resnet50": (Published(...), ...)}``.
        test_configurations: its smallest configurations by label, ``(backbone or size, options)``; the label of the
            default configuration is ``""``. The contract tests run all of them.
        study_configurations: configurations that ``python -m spatempo.studies.designs`` trains, by label as in
            ``test_configurations``. By default the smallest one, and its causal form if there is one.
        order_blind: whether the score of a clip is the same for any order of its frames.
        after_loading: ``(model, layout, options)``, called after weights are loaded, to adopt settings that they
            require. ``layout`` is the name of the file's layout, or empty; ``options`` are those of a spatempo
            checkpoint, or empty.
    """

    name: str
    source: str
    options: dict[str, Any]
    backbones: tuple[str, ...]
    plug: Plugger
    native: bool = False
    preprocess: Preprocess = field(default_factory=Preprocess)
    variants: Mapping[str, Case] = field(default_factory=dict)
    older_defaults: Mapping[str, Any] = field(default_factory=dict)
    fixed_frames: bool = False
    layouts: tuple[WeightLayout, ...] = ()
    published: Mapping[str, tuple[Published, ...]] = field(default_factory=dict)
    test_configurations: Mapping[str, Case] = field(default_factory=lambda: {"": ("smallresnet", {})})
    study_configurations: Mapping[str, Case] | None = None
    order_blind: bool = False
    after_loading: Callable[[Any, str, Mapping[str, Any]], None] | None = None

    @property
    def study_cases(self) -> Mapping[str, Case]:
        """Configurations that are trained to test whether the design uses the order of frames, by label."""
        if self.study_configurations is not None:
            return self.study_configurations
        backbone, options = self.test_configurations[""]
        causal = {"causal": (backbone, {**options, "causal": True})} if self.has_causal_form else {}
        return {"": (backbone, options), **causal}

    @property
    def has_causal_form(self) -> bool:
        """Whether it has the option ``causal``."""
        return "causal" in self.options

    def model_name(self, rest: str) -> str:
        """Name of one of its models, for example ``tsm_resnet50`` for ``"resnet50"``."""
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
        name: name of the design.
        source: the paper.
        backbones: 2D backbones that ``list_models`` combines it with.
        sizes: sizes of a native design, whose function creates the whole network (``Parts(network=...)``). Its models
            are ``<name>_<size>``, and ``<name>`` for the size ``""``.
        **facts: any other field of :class:`Design`.

    Raises:
        ValueError: a design of this name is already registered.
    """

    def register(plug: Plugger) -> Plugger:
        if name in DESIGNS:
            raise ValueError(f"a design called {name!r} is registered already ({DESIGNS[name].source})")
        parameters = inspect.signature(plug).parameters.values()
        options = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        listed = backbones if sizes is None else sizes
        DESIGNS[name] = Design(name, source, options, listed, plug, native=sizes is not None, **facts)
        return plug

    return register
