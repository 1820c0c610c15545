"""TSN, temporal segment networks (Wang et al., ECCV 2016): the order-blind baseline of every other design."""

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
    studied={"": ("smallresnet", {"causal": True})},  # causal as it is
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
    """No operator at all: the frames meet only in the consensus, so their order cannot matter. Causal as it is.

    Args:
        causal: to be able to go frame by frame.
        consensus: ``"average"``, ``"max"``, ``"top3"`` (of each class the mean of its best three frames, or of another
            number), ``"attention"`` (weights from the frames' features) or ``"linear"`` (a weight for each place: the
            one consensus that sees order, and that has no running form); see :mod:`spatempo.models.consensus`.
    """
    if causal and consensus == "linear":
        raise SpatempoError("tsn: consensus 'linear' needs the whole clip: take either causal or linear")
    return Parts(head=build.linear_head(consensus=consensus), causal=causal)
