"""TSM (Lin, Gan, Han, ICCV 2019): a temporal shift in the residual blocks of any backbone that has residual blocks."""

from __future__ import annotations

from spatempo.errors import SpatempoError
from spatempo.models.backbones.bninception import BNInception
from spatempo.models.blocks import Site, last_conv, require_sites
from spatempo.models.build import Build, Parts
from spatempo.models.design import LISTED_BACKBONES, register_design
from spatempo.models.layouts import e2e_spot, mmaction_tsm, tsm_online
from spatempo.models.layouts import tsm as tsm_layout
from spatempo.models.published import Published
from spatempo.models.seams import plug_after, plug_at_block, plug_at_conv
from spatempo.operators.non_local import NonLocal
from spatempo.operators.shift import Padding, TemporalShift
from spatempo.operators.temporal_pool import TemporalPool

# Backbones in which the published TSM shifts only every second block. The official code does so if layer3 has 23 or
# more blocks ("n_round"), because shifting all of them weakens spatial modelling too much.
EVERY_SECOND_BLOCK = ("resnet101", "resnet152", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet101_2")


def first_of_every(backbone: str) -> int:
    """n, if the released code shifts every n-th block of a stage; ``backbone`` is a name without its library."""
    return 2 if backbone in EVERY_SECOND_BLOCK else 1


# In BN-Inception the official code ("block") shifts the inputs of the second stage and of the ten inception blocks, but
# not the images. These are the layers before them.
BN_INCEPTION = (
    "pool1_3x3_s2",
    "pool2_3x3_s2",
    *(f"inception_{block}_output" for block in ("3a", "3b", "3c", "4a", "4b", "4c", "4d", "4e", "5a")),
)

# Blocks of a ResNet that are followed by a non-local block in the official code, which supports only ResNet-50. Other
# ResNets have non-local blocks after those of these blocks that they have.
NON_LOCAL = ("layer2.0", "layer2.2", "layer3.0", "layer3.2", "layer3.4")

MMACTION = "mmaction2's model zoo"
TABLE_2 = "TSM paper, table 2 (its 24.3 M parameters are for 400 classes)"
_MORE = f"{MMACTION}; its MACs count more than convolutions and linear layers"
_NON_LOCAL_PARAMS = "parameters computed from the released code"
_NON_LOCAL = (
    f"{MMACTION}: its 61.3 G include the two products with the affinity in each non-local block (without them, as in "
    f"our MACs, it would be 49.1 G); {_NON_LOCAL_PARAMS}"
)


@register_design(
    "tsm",
    source="Lin, Gan, Han, TSM, ICCV 2019",
    backbones=(*LISTED_BACKBONES, "bninception"),
    variants={"resnet50_nl": ("resnet50", {"non_local": True})},
    layouts=(tsm_layout.LAYOUT, tsm_online.LAYOUT, mmaction_tsm.LAYOUT, e2e_spot.LAYOUT),
    test_configurations={
        "": ("smallresnet", {}),
        "non_local": ("smallresnet", {"non_local": True}),
        "temporal_pool": ("smallresnet", {"temporal_pool": True}),
    },
    published={
        "resnet50": (
            Published(24.3e6, 33e9, 8, 224, 400, TABLE_2),
            Published(23.87e6, 32.88e9, 8, 224, 174, _MORE),
        ),
        "resnet50_nl": (
            Published(31_686_096, 61.3e9, 8, 224, 400, _NON_LOCAL, products=True),
            Published(31_223_022, None, 8, 224, 174, _NON_LOCAL_PARAMS),
        ),
        "resnet101": (Published(None, 62.66e9, 8, 224, 174, _MORE),),
        "mobilenet_v2": (Published(2.736e6, 3.269e9, 8, 256, 400, _MORE),),
    },
)
def tsm(
    build: Build,
    *,
    shift_div: int = 8,
    placement: str | None = None,
    padding: Padding = "zero",
    causal: bool = False,
    every: int | None = None,
    non_local: bool = False,
    temporal_pool: bool = False,
) -> Parts:
    """Temporal shift in every residual block.

    Args:
        shift_div: a fold is C / shift_div channels. Two folds are shifted (one if causal), so 2 shifts all channels.
        placement: ``"residual"`` (default, better in the paper): before the first convolution of the residual branch,
            so that the shortcut is not shifted. ``"inplace"``: before the whole block. BN-Inception has no residual
            branch and supports only ``"inplace"``.
        padding: ``"zero"``, or ``"circulant"`` (a variant in the first preprint).
        causal: shift from past frames only (the paper's online form).
        every: shift in every n-th block of a stage. Default: 2 where published (ResNet-101 and deeper), else 1.
        non_local: add non-local blocks in the second and third stage of a ResNet; they use the whole clip.
        temporal_pool: halve the number of frames, rounding up, before the second stage of a ResNet.
    """

    def shift() -> TemporalShift:
        return TemporalShift(build.context, div=shift_div, causal=causal, padding=padding)

    if isinstance(build.net, BNInception):
        if placement not in (None, "inplace") or every not in (None, 1):
            raise SpatempoError("tsm: BN-Inception has no residual branch: use placement='inplace' and every=1")
        if non_local or temporal_pool:
            raise SpatempoError("tsm: non_local and temporal_pool are for ResNets, not for BN-Inception")
        for name in BN_INCEPTION:
            plug_after(build, name, shift())
        return Parts(causal=causal)
    placement = placement or "residual"
    if placement not in ("residual", "inplace"):
        raise SpatempoError(f"tsm: placement must be 'residual' or 'inplace', got {placement!r}")
    if every is not None and (not isinstance(every, int) or every < 1):
        raise SpatempoError(f"tsm: every must be a whole number of 1 or more, got {every!r}")
    step = every or first_of_every(build.source.rpartition("/")[2])
    sites = require_sites(build.net, build.source)
    if non_local:
        _add_non_local(build, sites, causal)
    if temporal_pool:
        _add_temporal_pool(build, sites, causal)
    for site in sites:
        if site.position % step:
            continue
        if placement == "residual":
            plug_at_conv(build, site.conv_name, shift())
        else:
            plug_at_block(build, site.name, shift())
    return Parts(causal=causal)


def _add_non_local(build: Build, sites: list[Site], causal: bool) -> None:
    if causal:
        raise SpatempoError("tsm: a non-local block uses the whole clip: give either causal or non_local")
    chosen = [site for site in sites if site.name in NON_LOCAL]
    convs = [last_conv(site.block) for site in chosen]
    if not chosen or None in convs:
        raise SpatempoError(
            "tsm: non_local needs the basic or bottleneck blocks layer2.0, layer3.0, ... of a ResNet, but "
            f"{build.source} has none: use a ResNet"
        )
    for site, conv in zip(chosen, convs, strict=True):
        assert conv is not None
        plug_after(build, site.name, NonLocal(build.context, conv.out_channels))


def _add_temporal_pool(build: Build, sites: list[Site], causal: bool) -> None:
    first = [site for site in sites if site.name.startswith("layer1.")]
    if not first or not any(site.name == "layer2.0" for site in sites):
        raise SpatempoError(
            f"tsm: temporal_pool is placed before the second stage of a ResNet, but {build.source} has no residual "
            "blocks layer1.0 and layer2.0: use a ResNet"
        )
    plug_after(build, first[-1].name, TemporalPool(build.context, causal=causal))
