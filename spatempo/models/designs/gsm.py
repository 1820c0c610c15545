"""GSM (Sudhakaran, Escalera, Lanz, CVPR 2020): gated shifts in the paper's two Inceptions and in residual backbones.

The paper's code supports only the Inceptions, where the gate is between a convolution and its batch norm, in the branch
with the fewest convolutions. Of the two placements in residual networks, ``conv1`` is that of E2E-Spot (jhong93/spot)
and ``conv3`` that of GSF, GSM's successor. In ResNet-101 and deeper networks, E2E-Spot has a gate in every second block
of a stage (TSM's rule), and GSF has one in every block.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from spatempo.errors import SpatempoError
from spatempo.models.backbones.bninception import BNInception
from spatempo.models.backbones.inception_v3 import InceptionV3
from spatempo.models.blocks import last_conv, require_resnet_block, require_sites
from spatempo.models.build import Build, Parts
from spatempo.models.design import register_design
from spatempo.models.designs.tsm import first_of_every
from spatempo.models.layouts import e2e_spot
from spatempo.models.layouts import gsm as gsm_layout
from spatempo.models.published import Published
from spatempo.models.seams import plug_after, plug_at_conv
from spatempo.operators.base import TemporalOperator
from spatempo.operators.gate_shift import GateShift

# The ten convolutions that are followed by a gate in the released code. BN-Inception's blocks with stride 2 have no 1x1
# branch. The authors' file and figures omit InceptionV3's mixed_6.
BN_INCEPTION = (
    "inception_3a_1x1",
    "inception_3b_1x1",
    "inception_3c_3x3_reduce",
    "inception_4a_1x1",
    "inception_4b_1x1",
    "inception_4c_1x1",
    "inception_4d_1x1",
    "inception_4e_3x3_reduce",
    "inception_5a_1x1",
    "inception_5b_1x1",
)
INCEPTION_V3 = (
    "mixed_conv_Conv2D",
    "mixed_1_conv_Conv2D",
    "mixed_2_conv_Conv2D",
    "mixed_3_tower_conv_Conv2D",
    "mixed_4_conv_Conv2D",
    "mixed_5_conv_Conv2D",
    "mixed_7_conv_Conv2D",
    "mixed_8_tower_conv_Conv2D",
    "mixed_9_conv_Conv2D",
    "mixed_10_conv_Conv2D",
)
BACKBONES = (
    "bninception",
    "inception_v3",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "mobilenet_v2",
    "smallresnet",
)

_GSM = "GSM paper, table 3: its MACs also count batch norms (2 per element), ReLUs and pooled elements (1 each)"
GSM_PARAMS = f"{_GSM}; parameters are not printed but computed from the authors' code"
RESNET = "computed from the code of"

Make = Callable[[int], TemporalOperator]


@register_design(
    "gsm",
    source="Sudhakaran, Escalera, Lanz, Gate-Shift Networks, CVPR 2020, arXiv 1912.00381",
    backbones=BACKBONES,
    older_defaults={"every": 1},
    layouts=(gsm_layout.LAYOUT, e2e_spot.LAYOUT),
    test_configurations={
        "": ("smallresnet", {}),
        "conv3": ("smallresnet", {"placement": "conv3", "shuffle": True}),
    },
    published={
        "bninception": (
            Published(10_499_650, 16.46e9, 8, 224, 174, GSM_PARAMS),
            Published(None, 32.92e9, 16, 224, 174, _GSM),
        ),
        "inception_v3": (
            Published(22_207_586, 26.85e9, 8, 229, 174, GSM_PARAMS),
            Published(None, 53.7e9, 16, 229, 174, _GSM),
        ),
        "resnet50": (
            Published(23_959_710, None, 8, 224, 174, f"{RESNET} E2E-Spot (jhong93/spot)", {"placement": None}),
            Published(23_974_094, None, 8, 224, 174, f"{RESNET} GSF, without its fusion", {"placement": "conv3"}),
        ),
    },
)
def gsm(
    build: Build,
    *,
    placement: str | None = None,
    ratio: float | None = None,
    every: int | None = None,
    shuffle: bool = False,
    causal: bool = False,
) -> Parts:
    """Gated shifts. They are initialised to zero, so without ``shuffle`` the network starts as the 2D one.

    Args:
        placement: position in residual backbones. ``"conv1"`` (default): at the input of the first convolution of each
            residual branch. ``"conv3"``: at the output of the last one, before the batch norm (ResNets only). In
            Inception backbones the placement is fixed, as published.
        ratio: percentage of channels that are gated, starting with the first. Their number is rounded down to a whole
            number, then up to a multiple of 4. Default: 25 in residual backbones, 100 in Inception backbones.
        every: gate in every n-th block of a stage (residual backbones). Default: 2 where published (``conv1``,
            ResNet-101 and deeper), else 1.
        shuffle: channel shuffle as in the released code; its checkpoints need it.
        causal: use past frames only (not in the paper).
    """

    def make(channels: int) -> TemporalOperator:
        return GateShift(build.context, channels, shuffle=shuffle, causal=causal)

    if isinstance(build.net, BNInception | InceptionV3):
        names = BN_INCEPTION if isinstance(build.net, BNInception) else INCEPTION_V3
        plug_inception("gsm", build, names, make, placement, ratio, every)
    else:
        placement = placement or "conv1"
        if every is not None and (not isinstance(every, int) or every < 1):
            raise SpatempoError(f"gsm: every must be a whole number of 1 or more, got {every!r}")
        step = every or (first_of_every(build.source.rpartition("/")[2]) if placement == "conv1" else 1)
        plug_residual("gsm", build, make, placement, ratio, step)
    return Parts(causal=causal)


def plug_inception(
    design: str,
    build: Build,
    convs: tuple[str, ...],
    make: Make,
    placement: str | None,
    ratio: float | None,
    every: int | None = None,
) -> None:
    """Places the operator ``make(channels)`` after each of the convolutions, before its batch norm."""
    if placement is not None:
        raise SpatempoError(f"{design}: placement is for residual backbones; in Inception backbones it is fixed")
    if every not in (None, 1):
        raise SpatempoError(f"{design}: every is for residual backbones; in Inception backbones the placement is fixed")
    for name in convs:
        conv = build.net.get_submodule(name)
        assert isinstance(conv, nn.Conv2d)
        plug_after(build, name, make(gated_channels(design, conv.out_channels, 100 if ratio is None else ratio)))


def plug_residual(design: str, build: Build, make: Make, placement: str, ratio: float | None, step: int = 1) -> None:
    """Places the operator ``make(channels)`` in the residual branch of every ``step``-th block of a stage."""
    if placement not in ("conv1", "conv3"):
        raise SpatempoError(f"{design}: placement must be 'conv1' or 'conv3', got {placement!r}")
    percent = 25 if ratio is None else ratio
    for site in require_sites(build.net, build.source):
        if site.position % step:
            continue
        if placement == "conv1":
            assert isinstance(site.conv, nn.Conv2d)
            plug_at_conv(build, site.conv_name, make(gated_channels(design, site.conv.in_channels, percent)))
        else:
            conv = last_conv(site.block)
            if conv is None:
                raise SpatempoError(
                    f"{design}: placement 'conv3' needs ResNet's basic or bottleneck blocks, but {site.name} of "
                    f"{build.source} is a {type(site.block).__name__}: use placement='conv1', or a ResNet"
                )
            name = f"{site.name}.{require_resnet_block(site, build.source, design)[-1]}"
            plug_after(build, name, make(gated_channels(design, conv.out_channels, percent)))


def gated_channels(design: str, channels: int, percent: float) -> int:
    """Number of gated channels: a multiple of 4, as in both published networks."""
    if isinstance(percent, bool) or not isinstance(percent, int | float) or not 0 < percent <= 100:
        raise SpatempoError(f"{design}: the gated ratio must be above 0 and at most 100 percent, got {percent!r}")
    count = -(-int(channels * percent / 100) // 4) * 4
    if not 0 < count <= channels:
        raise SpatempoError(
            f"{design}: {percent} percent of {channels} channels, as a multiple of 4, is {count}: give another ratio"
        )
    return count
