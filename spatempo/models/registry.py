"""Models by name: ``create_model`` and ``list_models``.

The name ``<design>_<backbone>`` means the paper's settings. The name of a design can also be combined with
``backbone=``. A few names, the design's variants, stand for a backbone with options. The name of a native design's only
model can be that of the design.
"""

from __future__ import annotations

import difflib
import fnmatch
import os
from dataclasses import replace
from typing import Any

from torch import nn

import spatempo.models.designs  # noqa: F401  (registers the built-in designs)
from spatempo.errors import OptionError, SpatempoError
from spatempo.inputs.modality import modality_of
from spatempo.inputs.spec import Preprocess
from spatempo.limits import check_number
from spatempo.models.backbone import make_backbone
from spatempo.models.build import Build, Parts
from spatempo.models.design import DESIGNS, Design
from spatempo.models.first_conv import widen_first_conv
from spatempo.models.frame_model import FrameModel
from spatempo.models.native.model import NativeModel
from spatempo.models.video_model import VideoModel
from spatempo.models.weights import load_pretrained
from spatempo.operators.context import ForwardContext


def list_models(pattern: str = "*") -> list[str]:
    """Sorted names of the catalogue's models that match a glob, for example ``"tsm_*"``."""
    names = [d.model_name(rest) for d in DESIGNS.values() for rest in (*d.backbones, *d.variants)]
    return sorted(fnmatch.filter(names, pattern))


def parse_name(name: str, backbone: str | None = None) -> tuple[Design, str, dict[str, Any]]:
    """The design, backbone and options of a model name. If several designs match, the longest design name is used.

    Raises:
        SpatempoError: unknown design, or the backbone is missing or given twice; the message suggests similar names.
    """
    if not isinstance(name, str):
        raise SpatempoError(f"model {name!r}: give a name as text, such as 'tsm_resnet50'; see `spatempo models`")
    fitting = [d for d in DESIGNS.values() if name == d.name or name.startswith(f"{d.name}_")]
    design = max(fitting, key=lambda d: len(d.name), default=None)
    rest = name.removeprefix(design.name).removeprefix("_") if design else ""
    complete = design is not None and design.native and "" in design.backbones  # the design's name is a model's name
    if design is None or (backbone is None and not rest and not complete):
        near = difflib.get_close_matches(name, list_models(), 3, 0.4)
        hint = f"did you mean {', '.join(near)}?" if near else "see `spatempo models`"
        if design is not None:
            hint = f"give a backbone, as in {design.model_name(design.backbones[0])}"
        raise SpatempoError(f"model {name!r} is unknown: {hint}")
    if backbone is not None and rest:
        raise SpatempoError(
            f"model {name!r} already contains a backbone, and backbone={backbone!r} was given too: give only one"
        )
    chosen, options = design.variants.get(rest, (backbone or rest, {}))
    return design, chosen, dict(options)


def create_model(
    name: str,
    *,
    num_classes: int = 400,
    backbone: str | None = None,
    pretrained: str | os.PathLike[str] | bool | None = None,
    weights: str | os.PathLike[str] | bool | None = None,
    mean: tuple[float, float, float] | None = None,
    std: tuple[float, float, float] | None = None,
    frames: int | None = None,
    size: int | None = None,
    modality: str | None = None,
    stack: int | None = None,
    dropout: float = 0.5,
    **options: Any,
) -> VideoModel:
    """Builds a video model.

    Args:
        name: ``<design>_<backbone>`` as listed by :func:`list_models`, or a design together with ``backbone``.
        num_classes: K.
        backbone: a name of spatempo, torchvision or timm, for example ``regnety_008`` or ``timm/resnet50``.
        pretrained: a local weight file (safetensors, or a .pth that contains only tensors), or the name of a weight set
            of torchvision or timm, which they download; ``True`` means their default set.
        weights: synonym of ``pretrained``, named as in ``train``.
        mean, std: normalisation that the weights expect, needed if there is no ``.json`` file next to them.
        frames: frames per clip in :attr:`VideoModel.preprocess`, by default that of the design (8, or 16 for the
            networks of the R(2+1)D paper). The network itself takes any number of frames, unless its design has
            ``fixed_frames``.
        size: side of the crop in pixels in ``preprocess``, by default that of the backbone or design (224, 229 for
            ``inception_v3``, 112 for the networks of the R(2+1)D paper).
        modality: content of the clips: ``"rgb"``, ``"flow"`` (optical flow) or ``"rgbdiff"`` (differences of frames),
            by default that of the design, mostly RGB. It is stored in ``preprocess``. RGB weights are converted
            (:mod:`spatempo.models.first_conv`).
        stack: number of consecutive frames, flow fields or differences that form one frame of the clip. By default that
            of the design, mostly 1. In a modality other than the design's, the published 5 (1 for native designs, which
            convolve over time from the first layer).
        dropout: dropout probability before the classifier; 0.5 in the published recipes.
        **options: options of the design, for example ``shift_div=4`` or ``causal=True``.

    Returns:
        The model, in training mode.

    Raises:
        SpatempoError: unknown name, backbone or option, or weights that do not fit.
    """
    if pretrained is not None and weights is not None:
        raise SpatempoError("pretrained and weights are two names for the same argument: give only one of them")
    pretrained = weights if pretrained is None else pretrained
    design, chosen, name_options = parse_name(name, backbone)
    _check_options(name, design, options)
    numbers = {"num_classes": num_classes, "dropout": dropout, "frames": frames, "size": size, "stack": stack}
    for setting, value in numbers.items():
        check_number(setting, value)
    for setting, values in (("mean", mean), ("std", std)):
        for value in values or ():
            check_number(setting, value)
    resolved = {**design.options, **name_options, **options}
    given = {"frames": frames, "size": size, "modality": modality, "stack": stack}
    overrides = {name: value for name, value in given.items() if value is not None}
    try:
        make = _native_model if design.native else _frame_model
        model = make(design, chosen, resolved, overrides, num_classes, dropout)
    except OptionError as error:  # raised by an operator
        raise SpatempoError(f"{name}: {error}") from error
    if pretrained:
        if isinstance(pretrained, os.PathLike):
            pretrained = os.path.join(".", pretrained)  # the separator marks it as a path, not a weight set
        load_pretrained(model, pretrained, mean=mean, std=std)
    return model


def _frame_model(
    design: Design,
    chosen: str,
    options: dict[str, Any],
    overrides: dict[str, Any],
    num_classes: int,
    dropout: float,
) -> VideoModel:
    base = make_backbone(chosen)
    spec = _input(design, {**base.preprocess, **overrides})
    widen_first_conv(base.net, spec, base.source)  # before the design, which may use the stack in its own way
    build = Build(base.net, base.source, ForwardContext(), num_classes, base.features, dropout, spec)
    build.links, build.maps = base.links, base.maps
    parts = design.plug(build, **options) or Parts()
    if parts.input is not None and parts.input.channels != spec.channels:
        raise TypeError(f"{design.name} changes the channels of its input: set them in register_design(preprocess=...)")
    model = FrameModel(
        _name(design, base.source.rpartition("/")[2], options),
        design.name,
        {**options, **parts.options},
        build,
        base,
        parts.head or build.linear_head(),
        feature_maps=parts.feature_maps,
        causal=bool(parts.causal),
        preprocess=parts.input or spec,
        fixed_frames=spec.frames if design.fixed_frames else None,
    )
    model.extra_inputs = parts.extra_inputs
    return model


def _native_model(
    design: Design,
    chosen: str,
    options: dict[str, Any],
    overrides: dict[str, Any],
    num_classes: int,
    dropout: float,
) -> VideoModel:
    preprocess = _input(design, overrides)
    build = Build(nn.Module(), chosen, ForwardContext(), num_classes, 0, dropout, preprocess)
    parts = design.plug(build, **options)
    if parts is None or parts.network is None or parts.head is None:
        raise TypeError(f"{design.name} is native: it must return Parts(network=..., head=build.linear_head(features))")
    widen_first_conv(parts.network, preprocess, design.name)
    model = NativeModel(
        _name(design, chosen, options),
        design.name,
        {**options, **parts.options},
        build,
        parts.network,
        parts.head,
        preprocess=parts.input or preprocess,
        fixed_frames=preprocess.frames if design.fixed_frames else None,
        weights_source=parts.weights_source,
    )
    model.extra_inputs = parts.extra_inputs
    return model


def _input(design: Design, overrides: dict[str, Any]) -> Preprocess:
    """The input specification given to a design function.

    Args:
        overrides: fields that differ from ``design.preprocess``; ``mean`` and ``std`` are for RGB.
    """
    default = design.preprocess
    settings = {name: value for name, value in overrides.items() if name in ("frames", "size")}
    spec = replace(default, **settings).with_statistics(overrides.get("mean"), overrides.get("std"))
    kind = modality_of(overrides.get("modality", default.modality))
    stack = default.stack if kind.name == default.modality else kind.stack_3d if design.native else kind.stack_2d
    return spec.as_modality(kind.name, overrides.get("stack", stack))


def _check_options(name: str, design: Design, options: dict[str, Any]) -> None:
    unknown = sorted(set(options) - set(design.options))
    if "causal" in unknown:
        causal = ", ".join(sorted(d.name for d in DESIGNS.values() if d.has_causal_form))
        raise SpatempoError(
            f"{name} has no option 'causal' because it has no causal form; designs that have one: {causal}"
        )
    if unknown:
        raise SpatempoError(f"{name} has no option {unknown[0]!r}; it has {', '.join(design.options) or 'none'}")


def _name(design: Design, backbone: str, options: dict[str, Any]) -> str:
    """The catalogue's name of a design on a backbone with these options."""
    for variant, (base, given) in design.variants.items():
        if base == backbone and given.items() <= options.items():
            backbone = variant
    return design.model_name(backbone)
