"""TSN, temporal segment networks (Wang et al., ECCV 2016): the order-blind baseline of every other design."""

from __future__ import annotations

from torch import nn

from spatempo.errors import SpatempoError
from spatempo.models.design import LISTED_BACKBONES, register_design
from spatempo.operators.call import TimeCall


@register_design(
    "tsn",
    source="Wang et al., Temporal Segment Networks, ECCV 2016",
    backbones=(*LISTED_BACKBONES, "bninception", "inception_v3"),
)
def tsn(net: nn.Module, call: TimeCall, source: str, *, causal: bool = False, consensus: str = "average") -> None:
    """No operator at all: the frames meet only in the consensus, so their order cannot matter. Causal as it is.

    Args:
        causal: to be able to go frame by frame.
        consensus: ``"average"``, ``"max"``, ``"top3"`` (of each class the mean of its best three frames, or of another
            number), ``"attention"`` (weights from the frames' features) or ``"linear"`` (a weight for each place: the
            one consensus that sees order, and that has no running form); see :mod:`spatempo.models.consensus`.
    """
    if causal and consensus == "linear":
        raise SpatempoError("tsn: consensus 'linear' needs the whole clip: take either causal or linear")
