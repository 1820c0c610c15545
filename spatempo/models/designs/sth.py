"""STH (Li et al., arXiv 2003.08042): 3x3 convolutions of a ResNet give a share of their channels over to time."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

from spatempo.models.blocks import require_resnet_block, require_sites
from spatempo.models.build import Build
from spatempo.models.design import register_design
from spatempo.models.published import Published
from spatempo.models.seams import replace_conv
from spatempo.operators.sth import Form, Init, Integration
from spatempo.operators.sth_conv import SthConv2d, SthOptions

_TABLE_9 = (
    "STH paper, table 9: attention (table 2: 31 G; 16 frames: 61.3 G); its MACs count more than convolutions and "
    "linear layers"
)
_TABLE_6 = (
    "STH paper, table 6, which is not consistent: its row p = 1/4 is the plain sum at 174 classes, its others are "
    "0.2-0.5 M off any one count"
)
_ATTENTION = {"p": 1 / 4, "form": "hybrid", "integration": "attention"}


def _table_6(p: float, params: float, macs: float) -> Published:
    return Published(params, macs, 8, 224, 174, _TABLE_6, {"p": p, "form": "hybrid", "integration": "sum"})


@register_design(
    "sth",
    source="Li et al., STH: Spatio-Temporal Hybrid Convolution, arXiv 2003.08042, 2020",
    backbones=("resnet18", "resnet34", "resnet50", "resnet101", "smallresnet"),
    small={
        "": ("smallresnet", {}),
        "merge": ("smallresnet", {"form": "merge", "integration": "sum", "p": "1/8", "init": "shift"}),
    },
    published={
        "resnet50": (
            Published(
                23.2e6, 30.6e9, 8, 224, 174, _TABLE_9, {"p": 1 / 4, "form": "hybrid", "integration": "attention"}
            ),
            _table_6(1 / 4, 22.0e6, 30.5e9),
            _table_6(0, 24.4e6, 33.3e9),
            _table_6(1 / 8, 23.1e6, 32.2e9),
            _table_6(1 / 2, 20.3e6, 28.5e9),
        ),
    },
)
def sth(
    build: Build,
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
    for site in require_sites(build.net, build.source):
        convs = require_resnet_block(site, build.source, "sth")
        # In the paper's ResNet-50 the 3x3 is the middle one of each of the 16 bottlenecks; that a basic block has both
        # of its own replaced is ours, the paper shows none.
        for name in (convs if len(convs) == 2 else convs[1:2]) if variant.groups else ():
            make = partial(SthConv2d.like, context=build.context, **asdict(variant))
            replace_conv(build, f"{site.name}.{name}", make, design="STH")
