"""TSN, temporal segment networks (Wang et al., ECCV 2016): the order-blind baseline of every other design."""

from __future__ import annotations

from torch import nn

from spatempo.models.design import LISTED_BACKBONES, register_design
from spatempo.operators.call import TimeCall


@register_design(
    "tsn",
    source="Wang et al., Temporal Segment Networks, ECCV 2016",
    backbones=(*LISTED_BACKBONES, "bninception", "inception_v3"),
)
def tsn(net: nn.Module, call: TimeCall, source: str, *, causal: bool = False) -> None:
    """No operator at all: the frames meet only in the consensus, so their order cannot matter. Causal as it is."""
