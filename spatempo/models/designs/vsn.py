"""VSN (Ma et al., arXiv 1911.11319): a video shuffle in the last block of each stage.

The paper's tables call the other blocks "standard". Its main results (Kinetics 73.5, Something-Something-V1 46.6) are
in the row that combines the shuffle with a temporal shift, so standard blocks have TSM's shift here. This includes all
standard blocks of ResNet-101, because the paper's table does not distinguish among its 2 + 3 + 22 + 2. TSM's code
shifts only every second block of a network of this depth (option ``every=2``).
"""

from __future__ import annotations

from itertools import groupby

from torch import nn

from spatempo.errors import SpatempoError
from spatempo.models.blocks import Site, inverted_end, require_resnet_block, require_sites
from spatempo.models.build import Build
from spatempo.models.design import register_design
from spatempo.models.published import Published
from spatempo.models.seams import plug_after, plug_at_conv
from spatempo.operators.shift import TemporalShift
from spatempo.operators.shuffle import VideoShuffle

_RESNET50 = (
    "VSN paper, table 2: 24.3 M is for 400 classes; with the 174 classes of its Something-Something it is 23.9 M"
)
_RESNET101 = "VSN paper, table 2: 42.9 M is for 174 classes, while its ResNet-50 row is for 400"

ON_OFF = {"on": True, "off": False, True: True, False: False}


@register_design(
    "vsn",
    source="Ma, Zhou, Lu, Zhang, Video Shuffle Networks, arXiv 1911.11319, 2019",
    backbones=("resnet18", "resnet34", "resnet50", "resnet101", "mobilenet_v2", "smallresnet"),
    test_configurations={
        "": ("smallresnet", {}),
        "headtail": ("smallresnet", {"placement": "headtail", "shift": False}),
    },
    study_configurations={"unshifted": ("smallresnet", {"shift": "off"}), "": ("smallresnet", {})},
    published={
        "resnet50": (Published(24.3e6, 33e9, 8, 224, 400, _RESNET50),),
        "resnet101": (Published(42.9e6, 63e9, 8, 224, 174, _RESNET101),),
    },
)
def vsn(
    build: Build,
    *,
    placement: str | None = None,
    shift: bool | str = "on",
    blocks: str = "last",
    shift_div: int = 8,
    every: int = 1,
) -> None:
    """Video shuffle and restore in some blocks, temporal shift in the others.

    T must divide the number of shuffled channels, so clips have 1, 2, 4, 8, 16, 32 or 64 frames (MobileNetV2: up to 8).

    Args:
        placement: ``"compact"`` (default, better in the paper): shuffle before the 3x3 convolution of a bottleneck and
            restore after it. ``"headtail"``: around the whole residual branch. Frames are restored after the batch
            norm, so that it normalises the channels of its convolution. The paper has only bottlenecks. In basic blocks
            compact is around the second convolution. Inverted residual blocks support only headtail: around a depthwise
            convolution, which does not sum over channels, a shuffle does not mix frames.
        shift: temporal shift at the first convolution of the other blocks, ``"on"`` (the paper's main setting) or
            ``"off"``.
        blocks: blocks of a stage that are shuffled: ``"last"`` (as published), ``"first"`` or ``"all"``.
        shift_div: divisor of the temporal shift, as in TSM.
        every: shift in every n-th block of a stage.
    """
    if placement not in (None, "compact", "headtail"):
        raise SpatempoError(f"vsn: placement must be 'compact' or 'headtail', got {placement!r}")
    if blocks not in ("last", "first", "all"):
        raise SpatempoError(f"vsn: blocks must be 'last', 'first' or 'all', got {blocks!r}")
    if not isinstance(shift, bool | str) or shift not in ON_OFF:
        raise SpatempoError(f"vsn: shift must be 'on' or 'off', got {shift!r}")
    if not isinstance(every, int) or every < 1:
        raise SpatempoError(f"vsn: every must be a whole number of 1 or more, got {every!r}")
    for _, stage in groupby(require_sites(build.net, build.source), _stage):
        sites = list(stage)
        chosen = {"last": sites[-1:], "first": sites[:1], "all": sites}[blocks]
        for site in sites:
            if site in chosen:
                _shuffle_block(build, site, placement)
            elif ON_OFF[shift] and site.position % every == 0:
                plug_at_conv(build, site.conv_name, TemporalShift(build.context, div=shift_div))


def _stage(site: Site) -> tuple[str, int | None]:
    """Key of a block's stage: its parent module, and in inverted residual networks also its width."""
    assert isinstance(site.conv, nn.Conv2d)
    return site.name.rpartition(".")[0], site.conv.in_channels if inverted_end(site.block) else None


def _shuffle_block(build: Build, site: Site, placement: str | None) -> None:
    def shuffle() -> VideoShuffle:
        return VideoShuffle(build.context)

    end = inverted_end(site.block)
    if end is not None:
        if placement == "compact":
            raise SpatempoError(
                f"vsn: shuffling around the depthwise convolutions of {build.source} does not mix frames: use "
                "placement='headtail', or a ResNet"
            )
        plug_at_conv(build, site.conv_name, shuffle())
        plug_after(build, f"{site.name}.{end}", shuffle())
        return
    convs = require_resnet_block(site, build.source, "vsn")
    plug_at_conv(build, f"{site.name}.{'conv1' if placement == 'headtail' else 'conv2'}", shuffle())
    if placement != "headtail" and len(convs) == 3:
        plug_at_conv(build, f"{site.name}.conv3", shuffle())  # after bn2 and ReLU
    else:
        plug_after(build, f"{site.name}.bn{len(convs)}", shuffle())
