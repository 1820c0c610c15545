"""Published numbers of parameters and MACs, for comparison with ours.

Published figures are for one view (all frames of a clip) and count multiply-accumulates, which the papers call FLOPs.
They are printed with three or four digits; exact ones were computed from the released code.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Published(NamedTuple):
    """A published figure.

    Attributes:
        params: number of parameters.
        macs: multiply-accumulates of one view.
        frames, size, classes: number of frames, side in pixels and number of classes that the figure is for.
        note: where it is published, and remarks.
        options: options of the design that the figure is for, if they differ from those of the model's name.
        products: whether ``macs`` includes products of two activations, as in a non-local block.
    """

    params: float | None
    macs: float | None
    frames: int
    size: int
    classes: int
    note: str
    options: dict[str, Any] | None = None
    products: bool = False
