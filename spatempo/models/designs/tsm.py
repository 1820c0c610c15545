"""TSM (Lin, Gan, Han, ICCV 2019): a temporal shift in the residual blocks of any backbone that has some."""

from __future__ import annotations

from torch import nn

from spatempo.errors import SpatempoError
from spatempo.models.backbones.bninception import BNInception
from spatempo.models.blocks import need_sites
from spatempo.models.design import LISTED_BACKBONES, register_design
from spatempo.models.seams import plug_after, plug_at_block, plug_at_conv
from spatempo.operators.call import TimeCall
from spatempo.operators.shift import Padding, TemporalShift

# Backbones whose published TSM shifts every second block only: the official code does so where layer3 has 23 blocks or
# more ("n_round"), because shifting all of them costs too much spatial modelling.
EVERY_SECOND_BLOCK = ("resnet101", "resnet152", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet101_2")

# Of BN-Inception the official code ("block") shifts the input of all parts but the first, which gets the images: of the
# second stage and of the ten inception blocks. These layers put those inputs out.
BN_INCEPTION = (
    "pool1_3x3_s2",
    "pool2_3x3_s2",
    *(f"inception_{block}_output" for block in ("3a", "3b", "3c", "4a", "4b", "4c", "4d", "4e", "5a")),
)


@register_design("tsm", source="Lin, Gan, Han, TSM, ICCV 2019", backbones=(*LISTED_BACKBONES, "bninception"))
def tsm(
    net: nn.Module,
    call: TimeCall,
    source: str,
    *,
    shift_div: int = 8,
    placement: str | None = None,
    padding: Padding = "zero",
    causal: bool = False,
    every: int | None = None,
) -> None:
    """Temporal shift in every residual block.

    Args:
        shift_div: a fold is C / shift_div channels; two folds move (one, if causal). 2 moves them all.
        placement: ``"residual"``, at the first convolution of the residual branch, so that the shortcut carries the
            frame unshifted (the paper's better one, and the default), or ``"inplace"``, before the whole block: in
            BN-Inception, which has no residual branch, the only one.
        padding: ``"zero"``, or ``"circulant"`` (the first preprint's variant).
        causal: shift from the past only (the paper's online form).
        every: shift in every so-manieth block of a stage; 2 where published so (ResNet-101 and deeper), else 1.
    """
    if isinstance(net, BNInception):
        if placement not in (None, "inplace") or every not in (None, 1):
            raise SpatempoError("tsm: BN-Inception has no residual branch: placement is 'inplace', in every block")
        for name in BN_INCEPTION:
            plug_after(net.get_submodule(name), TemporalShift(call, div=shift_div, causal=causal, padding=padding))
        return
    placement = placement or "residual"
    if placement not in ("residual", "inplace"):
        raise SpatempoError(f"tsm: placement must be 'residual' or 'inplace', got {placement!r}")
    step = every or (2 if source.rpartition("/")[2] in EVERY_SECOND_BLOCK else 1)
    for site in need_sites(net, source):
        if site.position % step:
            continue
        operator = TemporalShift(call, div=shift_div, causal=causal, padding=padding)
        if placement == "residual":
            plug_at_conv(site.conv, operator, site.conv_name)
        else:
            plug_at_block(site.block, operator)
