"""Names to models: ``create_model`` and ``list_models``.

A name is ``<design>_<backbone>`` with the paper's settings; a design alone takes ``backbone=``. A few names stand for
a backbone with options: those are the design's variants.
"""

from __future__ import annotations

import difflib
import fnmatch
import os
from dataclasses import replace
from typing import Any

import spatempo.models.designs  # noqa: F401  (enters them)
from spatempo.errors import SpatempoError
from spatempo.limits import check_number
from spatempo.models.backbone import make_backbone
from spatempo.models.design import DESIGNS, Design
from spatempo.models.frame_model import FrameModel
from spatempo.models.modality import set_modality
from spatempo.models.video_model import VideoModel
from spatempo.models.weights import load_pretrained
from spatempo.operators.call import TimeCall


def list_models(pattern: str = "*") -> list[str]:
    """Names of the catalogue that match a glob, for example ``"tsm_*"``, sorted."""
    designs = DESIGNS.values()
    names = [f"{design.name}_{rest}" for design in designs for rest in (*design.backbones, *design.variants)]
    return sorted(fnmatch.filter(names, pattern))


def parse_name(name: str, backbone: str | None = None) -> tuple[Design, str, dict[str, Any]]:
    """The design, the backbone and the options that a name stands for.

    Raises:
        SpatempoError: no such design, or the backbone is missing or given twice; says which names are near.
    """
    if not isinstance(name, str):
        raise SpatempoError(f"model {name!r}: give a name as text, such as 'tsm_resnet50'; see `spatempo models`")
    prefix, _, rest = name.partition("_")
    design = DESIGNS.get(prefix)
    if design is None or (backbone is None and not rest):
        near = difflib.get_close_matches(name, list_models(), 3, 0.4)
        hint = f"did you mean {', '.join(near)}?" if near else "see `spatempo models`"
        if design is not None:
            hint = f"give a backbone, as in {prefix}_resnet50"
        raise SpatempoError(f"model {name!r} is unknown: {hint}")
    if backbone is not None and rest:
        raise SpatempoError(
            f"model {name!r} names its backbone, and backbone={backbone!r} another: give one of the two"
        )
    return design, *design.variants.get(rest, (backbone or rest, {}))


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
    modality: str = "rgb",
    stack: int | None = None,
    dropout: float = 0.5,
    **options: Any,
) -> VideoModel:
    """Builds a video model.

    Args:
        name: ``<design>_<backbone>`` as listed by :func:`list_models`, or a design together with ``backbone``.
        num_classes: K.
        backbone: ours, torchvision's or timm's name, for example ``regnety_008`` or ``timm/resnet50``.
        pretrained: a local weight file (safetensors, or a .pth that needs no code to be read), or a weight set of
            torchvision or timm by its name, which they download; ``True`` is their default set.
        weights: the same, by the name that ``train`` has for it.
        mean, std: normalisation that the weights expect, if the file has no ``.json`` beside it that says so.
        frames: frames per clip that :attr:`VideoModel.preprocess` asks for, the design's own by default (8; 16 in the
            R(2+1)D paper's). The network itself takes any number, unless its design says otherwise.
        size: side of the crop in pixels that ``preprocess`` asks for, by default the backbone's or the design's own
            (224; 229 for ``inception_v3``; 112 in the R(2+1)D paper's).
        modality: what its clips are made of: ``"rgb"``, ``"flow"`` (optical flow) or ``"rgbdiff"`` (differences of
            frames); it stands in ``preprocess``, and RGB weights are made to fit (:mod:`spatempo.models.modality`).
        stack: consecutive flow fields or differences that make one frame of the clip, by default the published 5 (1
            for designs that convolve in time from the first layer on).
        dropout: before the classifier; 0.5 in the published recipes.
        **options: the design's, for example ``shift_div=4`` or ``causal=True``.

    Returns:
        The model, in training mode as torch makes it.

    Raises:
        SpatempoError: unknown name, backbone or option, or weights that do not fit.
    """
    if pretrained is not None and weights is not None:
        raise SpatempoError("pretrained and weights are two names of one argument: give one of them")
    pretrained = weights if pretrained is None else pretrained
    design, backbone_name, of_name = parse_name(name, backbone)
    unknown = sorted(set(options) - set(design.options))
    if "causal" in unknown:
        causal = ", ".join(sorted(d.name for d in DESIGNS.values() if "causal" in d.options))
        raise SpatempoError(
            f"{name} has no option 'causal', for it has no causal form; designs that have one: {causal}"
        )
    if unknown:
        raise SpatempoError(f"{name} has no option {unknown[0]!r}; it has {', '.join(design.options) or 'none'}")
    numbers = {"num_classes": num_classes, "dropout": dropout, "frames": frames, "size": size, "stack": stack}
    for setting, value in numbers.items():
        check_number(setting, value)
    for setting, values in (("mean", mean), ("std", std)):
        for value in values or ():
            check_number(setting, value)
    resolved = {**design.options, **of_name, **options}
    given = {k: v for k, v in {"frames": frames, "size": size}.items() if v is not None}
    preprocess = replace(design.preprocess, **given)
    try:
        if design.build is not None:
            model: VideoModel = design.build(
                backbone_name,
                name=_name(design, backbone_name, resolved),
                num_classes=num_classes,
                dropout=dropout,
                preprocess=preprocess,
                **resolved,
            )
        else:
            base, call = make_backbone(backbone_name), TimeCall()
            assert design.plug is not None
            design.plug(base.net, call, base.source, **resolved)
            model = FrameModel(
                name=_name(design, base.source.rpartition("/")[2], resolved),
                design=design.name,
                options=resolved,
                backbone=base,
                call=call,
                num_classes=num_classes,
                dropout=dropout,
                causal=bool(resolved.get("causal", False)),
                preprocess=replace(preprocess, **{**base.preprocess, **given}),
                consensus=resolved.get("consensus", "average"),
            )
    except ValueError as error:  # of an operator's own check of its options
        raise SpatempoError(f"{name}: {error}") from error
    set_modality(model, modality, stack)
    if pretrained:
        if isinstance(pretrained, os.PathLike):
            pretrained = os.path.join(".", pretrained)  # with a separator it is not taken for the name of a set
        load_pretrained(model, pretrained, mean=mean, std=std)
    return model


def _name(design: Design, backbone: str, options: dict[str, Any]) -> str:
    """The name by which the catalogue knows a backbone with these options."""
    for variant, (base, given) in design.variants.items():
        if base == backbone and given.items() <= options.items():
            backbone = variant
    return f"{design.name}_{backbone}"
