"""The networks of "A Closer Look at Spatiotemporal Convolutions" (Tran et al., CVPR 2018), figure 1.

Where do the convolutions look along time? In the stem and the first stages (MCx), in the last ones (rMCx), everywhere
(R3D), nowhere (f-R2D), all at once in the first layer (R2D), or everywhere but after space (R(2+1)D).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from spatempo.errors import SpatempoError
from spatempo.models.design import register_native
from spatempo.models.native.convs import (
    Conv2D,
    Conv2Plus1D,
    Conv3D,
    Maker,
    factorised_stem,
    mid_channels,
    plain_stem,
)
from spatempo.models.native.model import CAFFE2_EPS, TORCH_EPS, VideoResNetModel
from spatempo.models.native.video_resnet import BasicBlock, Bottleneck, VideoResNet
from spatempo.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess

SOURCE = "Tran et al., A Closer Look at Spatiotemporal Convolutions, CVPR 2018"

# Of frames of 128 x 171 pixels, as published: mean and std of Kinetics (torchvision's references; VMZ's over 255).
KINETICS_MEAN = (0.43216, 0.394666, 0.37645)
KINETICS_STD = (0.22803, 0.22145, 0.216989)
# Clips are runs of consecutive frames.
PREPROCESS = Preprocess(frames=16, sampling="dense", window=None, size=112, mean=KINETICS_MEAN, std=KINETICS_STD)

# kernel length in time of conv1 and of the four groups of blocks
DIMENSIONS = {
    "fr2d": "11111",
    "r3d": "33333",
    "mc2": "31111",
    "mc3": "33111",
    "mc4": "33311",
    "mc5": "33331",
    "rmc2": "13333",
    "rmc3": "11333",
    "rmc4": "11133",
    "rmc5": "11113",
}
LAYERS = {
    "18": (BasicBlock, (2, 2, 2, 2)),
    "34": (BasicBlock, (3, 4, 6, 3)),
    "50": (Bottleneck, (3, 4, 6, 3)),
    "101": (Bottleneck, (3, 4, 23, 3)),
    "152": (Bottleneck, (3, 8, 36, 3)),
}
STEM_MID = 45  # of 64; not the formula's 83 (VMZ, r3d_model.py)
PUBLISHED_WEIGHTS = {n: f"torchvision/{n}" for n in ("r3d_18", "mc3_18", "r2plus1d_18")}


def _register_by_kernel(design: str, dimensions: str) -> None:
    """Enters a network whose five groups are each 2D or 3D."""

    @register_native(design, source=SOURCE, sizes=("18", "34") if design == "r3d" else ("18",), preprocess=PREPROCESS)
    def build(
        size: str,
        *,
        name: str,
        num_classes: int,
        dropout: float,
        preprocess: Preprocess,
        width: int = 64,
        bn_eps: float | None = None,
        stem_pool: bool = False,
    ) -> VideoResNetModel:
        """Args: see :func:`r2plus1d`."""
        _check(design, width, bn_eps)
        block, layers = _layers(design, size)
        makers = [Conv3D if d == "3" else Conv2D for d in dimensions[1:]]
        stem = plain_stem(3, width, int(dimensions[0]))
        net = VideoResNet(block, makers, layers, stem, width=width, pool=stem_pool)
        options = {"width": width, "bn_eps": bn_eps, "stem_pool": stem_pool}
        return _model(design, size, options, net, name, num_classes, dropout, preprocess)


for _design, _dimensions in DIMENSIONS.items():
    _register_by_kernel(_design, _dimensions)


@register_native("r2d", source=SOURCE, sizes=("18",), preprocess=replace(PREPROCESS, frames=8))
def r2d(
    size: str,
    *,
    name: str,
    num_classes: int,
    dropout: float,
    preprocess: Preprocess,
    width: int = 64,
    bn_eps: float | None = None,
    stem_pool: bool = False,
    stem_frames: int | None = None,
) -> VideoResNetModel:
    """R2D: the frames of a clip are channels of its first convolution, and there is no time after it.

    Args:
        stem_frames: L, the frames it is made for; by default those of ``preprocess``.
        width, bn_eps, stem_pool: see :func:`r2plus1d`.
    """
    _check("r2d", width, bn_eps)
    frames = preprocess.frames if stem_frames is None else stem_frames
    if not isinstance(frames, int) or frames < 1:
        raise SpatempoError(f"r2d: stem_frames must be a whole number of 1 or more, got {frames!r}")
    block, layers = _layers("r2d", size)
    stem = plain_stem(3, width, frames, pad=False)
    net = VideoResNet(block, [Conv2D] * 4, layers, stem, width=width, pool=stem_pool)
    options = {"width": width, "bn_eps": bn_eps, "stem_pool": stem_pool, "stem_frames": frames}
    preprocess = replace(preprocess, frames=frames)
    return _model("r2d", size, options, net, name, num_classes, dropout, preprocess)


@register_native("r2plus1d", source=SOURCE, sizes=tuple(LAYERS), preprocess=PREPROCESS)
def r2plus1d(
    size: str,
    *,
    name: str,
    num_classes: int,
    dropout: float,
    preprocess: Preprocess,
    width: int = 64,
    midplanes: str = "paper",
    form: str = "paper",
    bn_eps: float | None = None,
    stem_pool: bool = False,
) -> VideoResNetModel:
    """R(2+1)D: every convolution is one in space, batch norm, ReLU and one in time.

    Args:
        width: channels of the first stage (later ones double). 64 is published; 16 trains on two CPU cores.
        midplanes: channels between space and time, ``"paper"``: worked out for each convolution; ``"torchvision"``: for
            each block from its first one, which torchvision's weight files have.
        form: ``"mmaction2"`` is that library's network: the formula for the stem too (83), a max-pool after it,
            factorised shortcuts, eps 1e-3 but 1e-5 between space and time, ImageNet's mean and std.
        bn_eps: of the batch norms. ``None``: 1e-5, or what loaded weights need (VMZ's: 1e-3).
        stem_pool: a (1, 3, 3) max-pool after the stem, as VMZ has for inputs of 224 pixels.
    """
    _check("r2plus1d", width, bn_eps)
    for option, value, known in (
        ("midplanes", midplanes, ("paper", "torchvision")),
        ("form", form, ("paper", "mmaction2")),
    ):
        if value not in known:
            raise SpatempoError(f"r2plus1d: {option} must be {known[0]!r} or {known[1]!r}, got {value!r}")
    other = form == "mmaction2"
    block, layers = _layers("r2plus1d", size)
    makers: list[Maker] = [Conv2Plus1D] * 4
    stem_mid = mid_channels(3, width, d=7) if other else STEM_MID * width // 64
    net = VideoResNet(
        block,
        makers,
        layers,
        factorised_stem(3, width, stem_mid),
        width=width,
        mid_per_block=midplanes == "torchvision",
        pool=stem_pool or other,
        factorised_shortcut=other,
    )
    if other:
        bn_eps = CAFFE2_EPS if bn_eps is None else bn_eps
        preprocess = replace(preprocess, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    options = {"width": width, "midplanes": midplanes, "form": form, "bn_eps": bn_eps, "stem_pool": stem_pool}
    mid_eps = TORCH_EPS if other else None  # there, the norm inside a convolution does not get the setting
    return _model("r2plus1d", size, options, net, name, num_classes, dropout, preprocess, mid_eps)


def _model(
    design: str,
    size: str,
    options: dict[str, Any],
    net: VideoResNet,
    name: str,
    num_classes: int,
    dropout: float,
    preprocess: Preprocess,
    mid_eps: float | None = None,
) -> VideoResNetModel:
    return VideoResNetModel(
        name,
        design,
        size,
        options,
        net,
        num_classes=num_classes,
        dropout=dropout,
        preprocess=preprocess,
        weights_source=PUBLISHED_WEIGHTS.get(f"{design}_{size}"),
        mid_eps=mid_eps,
    )


def _layers(design: str, size: str) -> tuple[type[BasicBlock] | type[Bottleneck], tuple[int, ...]]:
    if size not in LAYERS:
        raise SpatempoError(f"{design} has no {size!r} layers; it has {', '.join(LAYERS)}, as in {design}_18")
    return LAYERS[size]


def _check(design: str, width: int, bn_eps: float | None) -> None:
    if not isinstance(width, int) or width < 2:
        raise SpatempoError(f"{design}: width must be a whole number of 2 or more, got {width!r}")
    if bn_eps is not None and (not isinstance(bn_eps, int | float) or bn_eps <= 0):
        raise SpatempoError(f"{design}: bn_eps must be a number above 0, got {bn_eps!r}")
