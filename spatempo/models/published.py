"""Parameters and MACs that papers and their code print, to hold ours against.

Published figures are for a whole clip of one view and count multiply-accumulates, which the papers call FLOPs. They are
printed to three or four digits; ``exact`` ones were worked out from the released code.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Published(NamedTuple):
    """A published figure.

    Attributes:
        params: parameters.
        macs: multiply-accumulates of one view.
        frames, size, classes: of the network that the figure is for.
        note: where it is printed, and what to mind.
        options: of the design that the figure is for, where they are not the name's own.
    """

    params: float | None
    macs: float | None
    frames: int
    size: int
    classes: int
    note: str
    options: dict[str, Any] | None = None


_TSM_TABLE_2 = "TSM paper, table 2 (its 24.3 M parameters are those of 400 classes)"
_MMACTION = "mmaction2's model zoo"
_MORE = f"{_MMACTION}; its MACs count more than convolutions and linear layers"

_STH_9 = (
    "STH paper, table 9: attention (table 2: 31 G; 16 frames: 61.3 G); its MACs count more than convolutions and "
    "linear layers"
)
_STH_6 = (
    "STH paper, table 6, which is not consistent: its row p = 1/4 is the plain sum at 174 classes, its others are "
    "0.2-0.5 M off any one count"
)
_STH_ATTENTION = {"p": 1 / 4, "form": "hybrid", "integration": "attention"}
_VSN_50 = "VSN paper, table 2: 24.3 M are those of 400 classes; with the 174 of its Something-Something they are 23.9 M"
_VSN_101 = "VSN paper, table 2: 42.9 M are those of 174 classes, while its ResNet-50 row has those of 400"


def _sth_table_6(p: float, params: float, macs: float) -> Published:
    return Published(params, macs, 8, 224, 174, _STH_6, {"p": p, "form": "hybrid", "integration": "sum"})


PUBLISHED: dict[str, tuple[Published, ...]] = {
    "tsn_resnet50": (
        Published(24.3e6, 33e9, 8, 224, 400, _TSM_TABLE_2),
        Published(24.33e6, None, 8, 224, 400, _MMACTION),
    ),
    "tsm_resnet50": (
        Published(24.3e6, 33e9, 8, 224, 400, _TSM_TABLE_2),
        Published(23.87e6, 32.88e9, 8, 224, 174, _MORE),
    ),
    "tsm_resnet101": (Published(None, 62.66e9, 8, 224, 174, _MORE),),
    "tsm_mobilenet_v2": (Published(2.736e6, 3.269e9, 8, 256, 400, _MORE),),
    "sth_resnet50": (
        Published(23.2e6, 30.6e9, 8, 224, 174, _STH_9, _STH_ATTENTION),
        _sth_table_6(1 / 4, 22.0e6, 30.5e9),
        _sth_table_6(0, 24.4e6, 33.3e9),
        _sth_table_6(1 / 8, 23.1e6, 32.2e9),
        _sth_table_6(1 / 2, 20.3e6, 28.5e9),
    ),
    "vsn_resnet50": (Published(24.3e6, 33e9, 8, 224, 400, _VSN_50),),
    "vsn_resnet101": (Published(42.9e6, 63e9, 8, 224, 174, _VSN_101),),
}
