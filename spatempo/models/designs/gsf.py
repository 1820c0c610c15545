"""GSF (Sudhakaran, Escalera, Lanz, TPAMI 2023): GSM with a learnt fusion, in the places of its own release."""

from __future__ import annotations

from spatempo.models.backbones.bninception import BNInception
from spatempo.models.backbones.inception_v3 import InceptionV3
from spatempo.models.build import Build, Parts
from spatempo.models.design import register_design
from spatempo.models.designs.gsm import BACKBONES, BN_INCEPTION, RESNET, plug_inception, plug_residual
from spatempo.models.layouts import gsm
from spatempo.models.published import Published
from spatempo.operators.base import TemporalOperator
from spatempo.operators.gate_shift_fuse import GateShiftFuse

# Eleven here: mixed_6 too, and in mixed_3 the 3x3 of stride 2 that is its shortest branch.
INCEPTION_V3 = tuple(
    f"mixed{block}_conv_Conv2D" for block in ("", "_1", "_2", "_3", "_4", "_5", "_6", "_7", "_8_tower", "_9", "_10")
)


@register_design(
    "gsf",
    source="Sudhakaran, Escalera, Lanz, Gate-Shift-Fuse, TPAMI 2023, arXiv 2203.08897",
    backbones=tuple(b for b in BACKBONES if b != "mobilenet_v2"),
    layouts=(gsm.LAYOUT,),
    published={
        "resnet50": (Published(23_974_702, None, 8, 224, 174, f"{RESNET} GSF, whose ratio is 25 %"),),
    },
)
def gsf(
    build: Build,
    *,
    placement: str | None = None,
    ratio: float | None = None,
    shuffle: bool = False,
    causal: bool = False,
) -> Parts:
    """Gated shifts with a learnt fusion. They start at random, so that the network does not start as the 2D one.

    Args:
        placement: in a residual backbone, ``"conv3"``, which is the default and published: what each residual branch's
            last convolution puts out, before the batch norm (ResNets only); or ``"conv1"``, the input of its first one.
            The Inceptions have their published places.
        ratio: percentage of the channels there that are gated (the code's ``gsf_ch_ratio``), the first ones. By
            default 25 in residual backbones and 100 in the Inceptions.
        shuffle: the released code's channel shuffle, which its checkpoints need.
        causal: look at the past only (not in the paper).
    """

    def make(channels: int) -> TemporalOperator:
        return GateShiftFuse(build.context, channels, shuffle=shuffle, causal=causal)

    if isinstance(build.net, BNInception | InceptionV3):
        names = BN_INCEPTION if isinstance(build.net, BNInception) else INCEPTION_V3
        plug_inception("gsf", build, names, make, placement, ratio)
    else:
        plug_residual("gsf", build, make, placement or "conv3", ratio)
    return Parts(causal=causal)
