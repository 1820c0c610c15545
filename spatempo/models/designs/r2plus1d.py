"""The networks of "A Closer Look at Spatiotemporal Convolutions" (Tran et al., CVPR 2018), figure 1.

They differ in where convolutions extend over time: in the stem and the first stages (MCx), in the last stages (rMCx),
everywhere (R3D), nowhere (f-R2D), in the first layer over all frames at once (R2D), or everywhere in a separate
convolution after the spatial one (R(2+1)D).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from torch import nn

from spatempo.errors import SpatempoError
from spatempo.inputs.spec import IMAGENET_MEAN, IMAGENET_STD, Preprocess
from spatempo.models.build import Build, Parts
from spatempo.models.design import register_design
from spatempo.models.designs.r2plus1d_published import PUBLISHED
from spatempo.models.layouts.video_resnet import LAYOUTS, adopt_eps
from spatempo.models.native.convs import (
    Conv2Plus1D,
    Maker,
    SpaceConv,
    SpaceTimeConv,
    factorised_stem,
    mid_channels,
    plain_stem,
)
from spatempo.models.native.r2plus1d import CAFFE2_EPS, Block, block_maker, set_eps, shortcut_maker
from spatempo.models.native.video_resnet import BasicBlock, Bottleneck, VideoResNet

SOURCE = "Tran et al., A Closer Look at Spatiotemporal Convolutions, CVPR 2018"

# Mean and std of Kinetics frames of 128 x 171 pixels, as published (torchvision's references; VMZ's divided by 255).
KINETICS_MEAN = (0.43216, 0.394666, 0.37645)
KINETICS_STD = (0.22803, 0.22145, 0.216989)
# Dense sampling: a clip is a sequence of consecutive frames.
PREPROCESS = Preprocess(frames=16, sampling="dense", window=None, size=112, mean=KINETICS_MEAN, std=KINETICS_STD)

# temporal kernel size of conv1 and of the four stages
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
STEM_MID = 45  # for 64 channels; the formula would give 83 (VMZ, r3d_model.py)
PUBLISHED_WEIGHTS = {n: f"torchvision/{n}" for n in ("r3d_18", "mc3_18", "r2plus1d_18")}


def _register(design: str, sizes: tuple[str, ...], **facts: Any) -> Any:
    """Registers a network of the paper, with the settings that all of them share."""
    names = {size: f"{design}_{size}" for size in sizes}
    return register_design(
        design,
        source=SOURCE,
        sizes=sizes,
        layouts=LAYOUTS,
        after_loading=adopt_eps,
        published={size: PUBLISHED[name] for size, name in names.items() if name in PUBLISHED},
        study_configurations={"": ("18", {"width": 16})},
        **{"preprocess": PREPROCESS, "test_configurations": {"": ("18", {"width": 8})}, **facts},
    )


def _register_by_kernel(design: str, dimensions: str) -> None:
    """Registers a network whose stem and stages are each 2D or 3D."""

    @_register(design, sizes=("18", "34") if design == "r3d" else ("18",), order_blind=dimensions == "11111")
    def build_network(build: Build, *, width: int = 64, bn_eps: float | None = None, stem_pool: bool = False) -> Parts:
        """A network with 2D and 3D convolutions; for the options see :func:`r2plus1d`."""
        makers = [SpaceTimeConv if d == "3" else SpaceConv for d in dimensions[1:]]
        options = {"width": width, "bn_eps": bn_eps, "stem_pool": stem_pool}
        return _parts(design, build, makers, partial(plain_stem, 3, width, int(dimensions[0])), options)


for _design, _dimensions in DIMENSIONS.items():
    _register_by_kernel(_design, _dimensions)


@_register("r2d", sizes=("18",), preprocess=replace(PREPROCESS, frames=8), fixed_frames=True)
def r2d(build: Build, *, width: int = 64, bn_eps: float | None = None, stem_pool: bool = False) -> Parts:
    """R2D: the first convolution extends over all frames of a clip, and the rest of the network is 2D.

    Args:
        width, bn_eps, stem_pool: see :func:`r2plus1d`.
    """
    options = {"width": width, "bn_eps": bn_eps, "stem_pool": stem_pool}
    return _parts("r2d", build, [SpaceConv] * 4, partial(plain_stem, 3, width, build.frames, pad=False), options)


@_register(
    "r2plus1d", sizes=tuple(LAYERS), test_configurations={"": ("18", {"width": 8}), "bottleneck": ("50", {"width": 4})}
)
def r2plus1d(
    build: Build,
    *,
    width: int = 64,
    midplanes: str = "paper",
    form: str = "paper",
    bn_eps: float | None = None,
    stem_pool: bool = False,
) -> Parts:
    """R(2+1)D: every convolution is a spatial convolution, batch norm, ReLU and a temporal convolution.

    Args:
        width: number of channels of the first stage (doubled in each further stage). 64 is published; 16 can be trained
            on two CPU cores.
        midplanes: number of channels between the spatial and the temporal convolution. ``"paper"``: computed for each
            convolution. ``"torchvision"``: computed once per block from its first convolution, as in torchvision's
            weight files.
        form: ``"paper"``, or ``"mmaction2"`` for that library's network: the formula also in the stem (83 channels), a
            max-pool after the stem, factorised shortcuts, eps 1e-3 (1e-5 between spatial and temporal convolutions),
            ImageNet's mean and std.
        bn_eps: epsilon of the batch norms. ``None``: 1e-5, or as required by loaded weights (VMZ: 1e-3).
        stem_pool: a (1, 3, 3) max-pool after the stem, as in VMZ for inputs of 224 pixels.
    """
    for option, value, known in (
        ("midplanes", midplanes, ("paper", "torchvision")),
        ("form", form, ("paper", "mmaction2")),
    ):
        if value not in known:
            raise SpatempoError(f"r2plus1d: {option} must be {known[0]!r} or {known[1]!r}, got {value!r}")
    mmaction2 = form == "mmaction2"
    if mmaction2:
        bn_eps = CAFFE2_EPS if bn_eps is None else bn_eps
        build.input = build.input.with_statistics(IMAGENET_MEAN, IMAGENET_STD)
    options = {"width": width, "midplanes": midplanes, "form": form, "bn_eps": bn_eps, "stem_pool": stem_pool}
    makers: list[Maker] = [Conv2Plus1D] * 4

    def stem() -> nn.Module:
        return factorised_stem(3, width, mid_channels(3, width, d=7) if mmaction2 else STEM_MID * width // 64)

    return _parts("r2plus1d", build, makers, stem, options)


def _parts(
    design: str, build: Build, makers: Sequence[Maker], stem: Callable[[], nn.Module], options: Mapping[str, Any]
) -> Parts:
    """Creates the network and its head, which averages features over time before dropout and classifier."""
    _check(design, options["width"], options["bn_eps"])
    block, layers = _layers(design, build.source)
    mmaction2 = options.get("form") == "mmaction2"
    net = VideoResNet(
        stem(),
        layers,
        block_maker(block, makers, options.get("midplanes") == "torchvision"),
        shortcut_maker(makers, mmaction2),
        in_channels=options["width"],
        width=options["width"],
        expansion=block.expansion,
        pools={0: nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))} if options["stem_pool"] or mmaction2 else None,
    )
    set_eps(net, options)
    return Parts(
        network=net,
        head=build.linear_head(net.num_features, pool="features"),
        input=build.input,
        options=dict(options),
        weights_source=PUBLISHED_WEIGHTS.get(f"{design}_{build.source}"),
    )


def _layers(design: str, size: str) -> tuple[Block, tuple[int, ...]]:
    if size not in LAYERS:
        raise SpatempoError(f"{design} has no size {size!r}; its sizes are {', '.join(LAYERS)}, as in {design}_18")
    return LAYERS[size]


def _check(design: str, width: int, bn_eps: float | None) -> None:
    if not isinstance(width, int) or width < 2:
        raise SpatempoError(f"{design}: width must be a whole number of 2 or more, got {width!r}")
    if bn_eps is not None and (not isinstance(bn_eps, int | float) or bn_eps <= 0):
        raise SpatempoError(f"{design}: bn_eps must be a number above 0, got {bn_eps!r}")
