"""VSN (Ma et al., arXiv 1911.11319): in the last block of each stage, frames and groups of channels change places.

The paper's tables call the other blocks "standard". Its headline figures (Kinetics 73.5, Something-Something-V1 46.6)
are those of the row that combines the shuffle with a temporal shift, so standard blocks have TSM's shift here. All of
them do, in ResNet-101 too: the paper's table makes no difference among its 2 + 3 + 22 + 2, while TSM's own code shifts
every second block of a network that deep (option ``every=2``).
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
    "VSN paper, table 2: 24.3 M are those of 400 classes; with the 174 of its Something-Something they are 23.9 M"
)
_RESNET101 = "VSN paper, table 2: 42.9 M are those of 174 classes, while its ResNet-50 row has those of 400"

ON_OFF = {"on": True, "off": False, True: True, False: False}


@register_design(
    "vsn",
    source="Ma, Zhou, Lu, Zhang, Video Shuffle Networks, arXiv 1911.11319, 2019",
    backbones=("resnet18", "resnet34", "resnet50", "resnet101", "mobilenet_v2", "smallresnet"),
    small={
        "": ("smallresnet", {}),
        "headtail": ("smallresnet", {"placement": "headtail", "shift": False}),
    },
    studied={"unshifted": ("smallresnet", {"shift": "off"}), "": ("smallresnet", {})},
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

    T must divide the channels where it is shuffled, so clips have 1, 2, 4, 8, 16, 32 or 64 frames (MobileNetV2: up to
    8).

    Args:
        placement: ``"compact"``, round the 3x3 convolution of a bottleneck (the paper's better one, and the default),
            or ``"headtail"``, round the whole residual branch. Frames are restored behind a batch norm, which so always
            sees the channels of its own convolution. The paper has bottlenecks only; in a basic block compact is round
            its second convolution. In an inverted residual it is headtail: round a depthwise convolution, which never
            sums over channels, a shuffle would mix no frames.
        shift: ``"on"`` (the paper's headline) or ``"off"``: temporal shift at the first convolution of other blocks.
        blocks: which ones of a stage are shuffled: ``"last"`` (as published), ``"first"`` or ``"all"``.
        shift_div: of the temporal shift, as in TSM.
        every: shift in every so-manieth block of a stage only.
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
    """What tells the blocks of a stage from others: where they are kept, and of inverted residuals the width too."""
    assert isinstance(site.conv, nn.Conv2d)
    return site.name.rpartition(".")[0], site.conv.in_channels if inverted_end(site.block) else None


def _shuffle_block(build: Build, site: Site, placement: str | None) -> None:
    def shuffle() -> VideoShuffle:
        return VideoShuffle(build.context)

    end = inverted_end(site.block)
    if end is not None:
        if placement == "compact":
            raise SpatempoError(
                f"vsn: shuffling around the depthwise convolutions of {build.source} does not mix frames: take "
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
