"""What a model costs and sees: parameters, MACs, shapes, temporal receptive field; and the published figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from spatempo.models.design import DESIGNS
from spatempo.models.published import PUBLISHED
from spatempo.models.registry import create_model, list_models, parse_name
from spatempo.models.video_model import VideoModel


def count_params(model: nn.Module) -> int:
    """Parameters, batch norm's scale and shift included, its running statistics not."""
    return sum(p.numel() for p in model.parameters())


def count_macs(model: VideoModel, frames: int, size: int) -> int:
    """Multiply-accumulates of convolutions and linear layers for one view of ``frames`` x ``size`` x ``size``.

    Counted from the operations that really run, on the meta device, so ``model`` should be there.
    """
    device = model.head.fc.weight.device
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(torch.empty(1, model.preprocess.channels, frames, size, size, device=device))
    return sum(counter.get_flop_counts()["Global"].values()) // 2  # torch counts a multiplication and an addition


def describe(
    name: str,
    *,
    frames: int = 8,
    size: int | None = None,
    num_classes: int = 400,
    backbone: str | None = None,
    **options: Any,
) -> dict[str, Any]:
    """The facts of a model as plain values, without making its weights.

    Args:
        name, backbone, options: as for :func:`create_model`.
        frames, size: of the view that MACs and shapes are for; 224 pixels, or more where a backbone is made for more.
        num_classes: K.

    Returns:
        ``name, design, backbone, source, params, macs, frames, size, classes, causal, temporal_receptive_field`` (in
        frames), ``operators`` (how many are plugged in), ``stages`` (a list of ``blocks, name, shape``) and
        ``published`` (a list of ``params, macs, frames, size, classes, note, ours``).
    """
    with torch.device("meta"):
        model = create_model(name, backbone=backbone, num_classes=num_classes, frames=frames, size=size, **options)
    model.eval()
    size = size or max(224, model.preprocess.size)
    reach = model.reach
    return {
        "name": name if backbone is None else model.name,
        "design": model.design,
        "backbone": model.backbone_source,
        "source": DESIGNS[model.design].source,
        "options": model.options,
        "params": count_params(model),
        "macs": count_macs(model, frames, size),
        "frames": frames,
        "size": size,
        "classes": num_classes,
        "causal": model.causal,
        "temporal_receptive_field": "whole clip" if reach is None else 1 + reach.past + reach.future,
        "operators": len(model.plugged),
        "stages": _stages(model, frames, size),
        "published": _published(name, options) if backbone is None else [],
    }


def catalogue(pattern: str = "*") -> list[dict[str, Any]]:
    """Rows ``name, operator, backbone, causal, params, macs, source`` of the listed models.

    Figures are for 8 frames of 224 x 224 (``inception_v3``: 229 x 229) and 400 classes; ``causal`` says whether the
    design has a causal form.
    """
    rows = []
    for name in list_models(pattern):
        facts = describe(name)
        design, _ = parse_name(name)
        rows.append(
            {
                "name": name,
                "operator": facts["design"],
                "backbone": facts["backbone"],
                "causal": "causal" in design.options,
                "params": facts["params"],
                "macs": facts["macs"],
                "source": facts["source"],
            }
        )
    return rows


def _stages(model: VideoModel, frames: int, size: int) -> list[dict[str, Any]]:
    """Runs of blocks with maps of one shape."""
    shapes: list[tuple[str, list[int]]] = []

    # images are folded frames, [B*T, C, H, W]; a video-native network's maps have their own T
    def note(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda _, __, out: shapes.append((name, [out.shape[1], *(frames,) * (5 - out.ndim), *out.shape[2:]]))

    handles = [block.register_forward_hook(note(name)) for name, block in model.residual_blocks()]
    clip = torch.empty(1, model.preprocess.channels, frames, size, size, device="meta")
    with torch.no_grad():
        maps: Tensor = model.forward_features(clip)
    for handle in handles:
        handle.remove()
    stages: list[dict[str, Any]] = []
    for name, shape in shapes:
        if stages and stages[-1]["shape"] == shape:
            stages[-1]["blocks"] += 1
        else:
            stages.append({"name": name, "blocks": 1, "shape": shape})
    return [*stages, {"name": "features", "blocks": 0, "shape": list(maps.shape[1:])}]


def _published(name: str, options: dict[str, Any]) -> list[dict[str, Any]]:
    """The published figures, each beside what the same settings come to here."""
    rows = []
    for figure in PUBLISHED.get(name, ()):
        with torch.device("meta"):
            settings = {**options, **(figure.options or {})}
            model = create_model(name, num_classes=figure.classes, frames=figure.frames, **settings)
        ours = {"params": count_params(model), "macs": count_macs(model, figure.frames, figure.size)}
        rows.append({**figure._asdict(), "ours": ours})
    return rows
