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
        products: whether ``macs`` holds those of products of two activations, as in a non-local block.
    """

    params: float | None
    macs: float | None
    frames: int
    size: int
    classes: int
    note: str
    options: dict[str, Any] | None = None
    products: bool = False
