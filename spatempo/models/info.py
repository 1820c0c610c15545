"""Facts about a model: parameters, MACs, shapes, temporal receptive field, and published figures."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from spatempo.models.design import DESIGNS, Design
from spatempo.models.registry import create_model, parse_name
from spatempo.models.video_model import VideoModel
from spatempo.operators.watch import watch


def count_params(model: nn.Module) -> int:
    """Number of parameters, including the scale and shift of batch norms but not their running statistics."""
    return sum(p.numel() for p in model.parameters())


def count_macs(model: VideoModel, frames: int, size: int, *, products: bool = False) -> int:
    """Counts multiply-accumulates of convolutions and linear layers for one view of ``frames`` x ``size`` x ``size``.

    The count comes from a forward pass, which is fast if ``model`` is on the meta device.

    Args:
        products: also count products of two activations, such as those with the affinity in a non-local block.
    """
    clip = torch.empty(1, model.preprocess.channels, frames, size, size, device=next(model.parameters()).device)
    model.eval()
    with torch.no_grad():
        if products:
            with FlopCounterMode(display=False) as flops:
                model(clip)
            return sum(flops.get_flop_counts()["Global"].values()) // 2  # one MAC is two FLOPs
        with _Macs() as counter:
            model(clip)
        return counter.total


class _Macs(TorchFunctionMode):
    """Sums the multiply-accumulates of the convolutions and linear layers that run."""

    total = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.batch_norm and args[0].is_meta:
            return args[0]  # same shape; running batch norm on the meta device took more than half of the time
        out = func(*args, **kwargs)
        if func in (F.conv1d, F.conv2d, F.conv3d, F.linear):
            weight = args[1] if len(args) > 1 else kwargs["weight"]
            self.total += out.numel() * weight[0].numel()  # each output is a sum over one filter
        return out


@dataclass(frozen=True)
class ModelInfo:
    """Facts about a model.

    Attributes:
        name, design, backbone, source, options: the model, its design, backbone, paper and options.
        params: parameters, including the scale and shift of batch norms.
        macs: multiply-accumulates of convolutions and linear layers for one view.
        macs_with_products: the same, including products of two activations.
        frames, size, classes: number of frames, side in pixels and number of classes that the figures are for.
        causal: whether it can process a clip frame by frame.
        temporal_receptive_field: in frames, or ``"whole clip"``.
        operators: number of operators.
        stages: ``blocks, name, shape`` of each sequence of blocks with maps of the same shape.
        published: ``params, macs, frames, size, classes, note, options, products, ours`` of each published figure.
    """

    name: str
    design: str
    backbone: str
    source: str
    options: dict[str, Any]
    params: int
    macs: int
    macs_with_products: int
    frames: int
    size: int
    classes: int
    causal: bool
    temporal_receptive_field: int | str
    operators: int
    stages: list[dict[str, Any]]
    published: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


def describe(
    name: str,
    *,
    frames: int = 8,
    size: int | None = None,
    num_classes: int = 400,
    backbone: str | None = None,
    **options: Any,
) -> ModelInfo:
    """Describes a model without allocating its weights.

    Args:
        name, backbone, options: as for :func:`create_model`.
        frames, size: number of frames and side in pixels of the view that MACs and shapes are counted for. The default
            size is 224, or the backbone's own size if that is larger.
        num_classes: K.
    """
    with torch.device("meta"):
        model = create_model(name, backbone=backbone, num_classes=num_classes, frames=frames, size=size, **options)
    design = DESIGNS[model.design]
    size = size or _view_size(model)
    reach = model.reach
    return ModelInfo(
        name=name if backbone is None else model.name,
        design=model.design,
        backbone=model.backbone_source,
        source=design.source,
        options=model.options,
        params=count_params(model),
        macs=count_macs(model, frames, size),
        macs_with_products=count_macs(model, frames, size, products=True),
        frames=frames,
        size=size,
        classes=num_classes,
        causal=model.causal,
        temporal_receptive_field="whole clip" if reach is None else 1 + reach.past + reach.future,
        operators=len(model.plugged),
        stages=_stages(model, frames, size),
        published=_published(design, model.name, name, options) if backbone is None else [],
    )


def catalogue_row(name: str) -> dict[str, Any]:
    """Counts one row of the catalogue: ``name, operator, backbone, causal, params, macs, source``.

    Figures are for 8 frames of 224 x 224 (``inception_v3``: 229 x 229) and 400 classes; ``causal`` says whether
    the model has a causal form.
    """
    design, _, _ = parse_name(name)
    with torch.device("meta"):
        model = create_model(name)
    return {
        "name": name,
        "operator": design.name,
        "backbone": model.backbone_source,
        "causal": design.has_causal_form and model.reach is not None,
        "params": count_params(model),
        "macs": count_macs(model, 8, _view_size(model)),
        "source": design.source,
    }


def _view_size(model: VideoModel) -> int:
    """Side in pixels of the view that figures are for: 224, or the backbone's own size if that is larger."""
    return max(224, model.preprocess.size)


def _stages(model: VideoModel, frames: int, size: int) -> list[dict[str, Any]]:
    """Groups consecutive blocks whose maps have the same shape."""
    clip = torch.empty(1, model.preprocess.channels, frames, size, size, device="meta")
    # first=True: shapes of the blocks' outputs before any operator placed after them
    with torch.no_grad(), watch(dict(model.residual_blocks()), first=True) as seen:
        maps: Tensor = model.forward_features(clip)
    # maps of one clip are [T, C, H, W] in an image network and [1, C, T, H, W] in a native 3D network
    shapes = [(name, [out.shape[1], *out.shape[: 5 - out.ndim], *out.shape[2:]]) for name, out in seen.items()]
    stages: list[dict[str, Any]] = []
    for name, shape in shapes:
        if stages and stages[-1]["shape"] == shape:
            stages[-1]["blocks"] += 1
        else:
            stages.append({"name": name, "blocks": 1, "shape": shape})
    return [*stages, {"name": "features", "blocks": 0, "shape": list(maps.shape[1:])}]


def _published(design: Design, known_as: str, name: str, options: dict[str, Any]) -> list[dict[str, Any]]:
    """The published figures, each with our figures for the same settings."""
    rows = []
    for figure in design.published.get(known_as.removeprefix(design.name).removeprefix("_"), ()):
        with torch.device("meta"):
            settings = {**options, **(figure.options or {})}
            model = create_model(name, num_classes=figure.classes, frames=figure.frames, **settings)
        macs = count_macs(model, figure.frames, figure.size, products=figure.products)
        ours = {"params": count_params(model), "macs": macs}
        rows.append({**figure._asdict(), "ours": ours})
    return rows
