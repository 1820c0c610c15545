"""TSN, temporal segment networks (Wang et al., ECCV 2016): the baseline without temporal operators."""

from __future__ import annotations

from spatempo.errors import SpatempoError
from spatempo.models.build import Build, Parts
from spatempo.models.design import LISTED_BACKBONES, register_design
from spatempo.models.designs.gsm import GSM_PARAMS
from spatempo.models.designs.tsm import MMACTION, TABLE_2
from spatempo.models.layouts import mmaction_tsm, tsm
from spatempo.models.published import Published


@register_design(
    "tsn",
    source="Wang et al., Temporal Segment Networks, ECCV 2016",
    backbones=(*LISTED_BACKBONES, "bninception", "inception_v3"),
    study_configurations={"": ("smallresnet", {"causal": True})},  # always causal
    order_blind=True,
    layouts=(tsm.LAYOUT, mmaction_tsm.LAYOUT),
    published={
        "bninception": (Published(10_448_590, 32.73e9, 16, 224, 174, GSM_PARAMS),),
        "resnet50": (
            Published(24.3e6, 33e9, 8, 224, 400, TABLE_2),
            Published(24.33e6, None, 8, 224, 400, MMACTION),
        ),
    },
)
def tsn(build: Build, *, causal: bool = False, consensus: str = "average") -> Parts:
    """No temporal operator: frames are combined only by the consensus, so their order does not matter.

    Args:
        causal: allow processing frame by frame.
        consensus: ``"average"``, ``"max"``, ``"top3"`` (for each class the mean of its three highest frames; any other
            number works too), ``"attention"`` (weights from the frames' features) or ``"linear"`` (one weight per frame
            position). Only ``"linear"`` depends on the order of frames, and it cannot be causal. See
            :mod:`spatempo.models.consensus`.
    """
    if causal and consensus == "linear":
        raise SpatempoError("tsn: consensus 'linear' needs the whole clip: give either causal or linear")
    return Parts(head=build.linear_head(consensus=consensus), causal=causal)
