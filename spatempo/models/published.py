"""Parameters and MACs that papers and their code print, to hold ours against.

Published figures are for a whole clip of one view and count multiply-accumulates, which the papers call FLOPs. They are
printed to three or four digits; ``exact`` ones were worked out from the released code.
"""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """A published figure.

    Attributes:
        params: parameters.
        macs: multiply-accumulates of one view.
        frames, size, classes: of the network that the figure is for.
        note: where it is printed, and what to mind.
    """

    params: float | None
    macs: float | None
    frames: int
    size: int
    classes: int
    note: str


_TSM_TABLE_2 = "TSM paper, table 2 (its 24.3 M parameters are those of 400 classes)"
_MMACTION = "mmaction2's model zoo"
_MORE = f"{_MMACTION}; its MACs count more than convolutions and linear layers"

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
}
