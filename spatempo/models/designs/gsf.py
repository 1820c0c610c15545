"""GSF (Sudhakaran, Escalera, Lanz, TPAMI 2023): GSM with a learnt fusion, placed as in the released code."""

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

# Eleven convolutions, unlike GSM's ten: with mixed_6, and in mixed_3 the 3x3 with stride 2, its shortest branch.
INCEPTION_V3 = tuple(
    f"mixed{block}_conv_Conv2D" for block in ("", "_1", "_2", "_3", "_4", "_5", "_6", "_7", "_8_tower", "_9", "_10")
)


@register_design(
    "gsf",
    source="Sudhakaran, Escalera, Lanz, Gate-Shift-Fuse, TPAMI 2023, arXiv 2203.08897",
    backbones=tuple(b for b in BACKBONES if b != "mobilenet_v2"),
    layouts=(gsm.LAYOUT,),
    published={
        "resnet50": (Published(23_974_702, None, 8, 224, 174, f"{RESNET} GSF, with ratio 25 %"),),
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
    """Gated shifts with a learnt fusion. They are initialised randomly, so the network differs from the 2D one.

    Args:
        placement: position in residual backbones. ``"conv3"`` (published, default): at the output of the last
            convolution of each residual branch, before the batch norm (ResNets only). ``"conv1"``: at the input of the
            first one. In Inception backbones the placement is fixed, as published.
        ratio: percentage of channels that are gated, starting with the first (``gsf_ch_ratio`` in the released code).
            Default: 25 in residual backbones, 100 in Inception backbones.
        shuffle: channel shuffle as in the released code; its checkpoints need it.
        causal: use past frames only (not in the paper).
    """

    def make(channels: int) -> TemporalOperator:
        return GateShiftFuse(build.context, channels, shuffle=shuffle, causal=causal)

    if isinstance(build.net, BNInception | InceptionV3):
        names = BN_INCEPTION if isinstance(build.net, BNInception) else INCEPTION_V3
        plug_inception("gsf", build, names, make, placement, ratio)
    else:
        plug_residual("gsf", build, make, placement or "conv3", ratio)
    return Parts(causal=causal)
