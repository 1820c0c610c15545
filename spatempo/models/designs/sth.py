"""STH (Li et al., arXiv 2003.08042): the 3x3 convolutions of a ResNet use a fraction of their channels over time."""

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
    "STH paper, table 6, which is inconsistent: its row p = 1/4 is the plain sum with 174 classes; its other rows "
    "differ by 0.2-0.5 M from any single way of counting"
)
_ATTENTION = {"p": 1 / 4, "form": "hybrid", "integration": "attention"}


def _table_6(p: float, params: float, macs: float) -> Published:
    return Published(params, macs, 8, 224, 174, _TABLE_6, {"p": p, "form": "hybrid", "integration": "sum"})


@register_design(
    "sth",
    source="Li et al., STH: Spatio-Temporal Hybrid Convolution, arXiv 2003.08042, 2020",
    backbones=("resnet18", "resnet34", "resnet50", "resnet101", "smallresnet"),
    test_configurations={
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
    """STH convolutions in place of all 3x3 convolutions.

    Their weights are random, or converted from the 2D convolutions that they replace if image weights are loaded.

    Args:
        p: fraction of input channels that a filter processes over time, 1/G as a number or as text (``"1/8"``). With 0,
            nothing is replaced and the network is 2D.
        form: ``"hybrid"``: every filter has a spatial and a temporal part (better in the paper). ``"merge"``: a
            fraction p of the filters is temporal, the others are spatial.
        integration: how the branches are combined: ``"attention"`` (the paper's main setting) or ``"sum"``.
        init: how temporal kernels are initialised from image weights: ``"sum"``, ``"centre"``, ``"inflate"`` or
            ``"shift"``.
        scale: factor applied to the maps after attention. 1 is the paper's equation; 2 starts at the sum of the
            branches.
    """
    settings = SthOptions(p, form, integration, init, scale)
    for site in require_sites(build.net, build.source):
        convs = require_resnet_block(site, build.source, "sth")
        # In the paper's ResNet-50 the middle convolution of each of the 16 bottlenecks is replaced. The paper has no
        # basic blocks; here both of their convolutions are replaced.
        for name in (convs if len(convs) == 2 else convs[1:2]) if settings.groups else ():
            make = partial(SthConv2d.like, context=build.context, **asdict(settings))
            replace_conv(build, f"{site.name}.{name}", make, design="STH")
