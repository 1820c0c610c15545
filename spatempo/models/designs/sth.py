"""STH (Li et al., arXiv 2003.08042): 3x3 convolutions of a ResNet give a share of their channels over to time."""

from __future__ import annotations

from dataclasses import asdict

from torch import nn

from spatempo.models.blocks import need_resnet_block, need_sites
from spatempo.models.design import register_design
from spatempo.models.seams import replace_module
from spatempo.operators.call import TimeCall
from spatempo.operators.sth import Form, Init, Integration
from spatempo.operators.sth_conv import SthConv2d, SthOptions


@register_design(
    "sth",
    source="Li et al., STH: Spatio-Temporal Hybrid Convolution, arXiv 2003.08042, 2020",
    backbones=("resnet18", "resnet34", "resnet50", "resnet101", "smallresnet"),
)
def sth(
    net: nn.Module,
    call: TimeCall,
    source: str,
    *,
    p: float | str = 1 / 4,
    form: Form = "hybrid",
    integration: Integration = "attention",
    init: Init = "sum",
    scale: float = 2.0,
) -> None:
    """STH convolutions in the place of every 3x3 one.

    Without image weights they start random; with them, each is made of the 2D convolution that it replaces.

    Args:
        p: share of the input channels that a filter sees through time, 1/G as a number or as text (``"1/8"``); 0
            replaces nothing and is the 2D network.
        form: ``"hybrid"``, every filter sees space and time (the paper's better one), or ``"merge"``, a share p of the
            filters sees time only, the others space only.
        integration: how the branches come together: ``"attention"`` (the paper's headline) or ``"sum"``.
        init: what temporal kernels get of image weights: ``"sum"``, ``"centre"``, ``"inflate"`` or ``"shift"``.
        scale: factor on attended maps; 1 is the paper's equation, 2 starts at the sum of the branches.
    """
    variant = SthOptions(p, form, integration, init, scale)
    for site in need_sites(net, source):
        convs = need_resnet_block(site, source, "sth")
        # In the paper's ResNet-50 the 3x3 is the middle one of each of the 16 bottlenecks; that a basic block has both
        # of its own replaced is ours, the paper shows none.
        for name in (convs if len(convs) == 2 else convs[1:2]) if variant.groups else ():
            where = f"{site.name}.{name}"
            replace_module(net, where, SthConv2d.like(net.get_submodule(where), call, where, **asdict(variant)))
