"""Finds the temporal operators that the keys of a weight file imply.

Shift and pooling have no weights. But in mit-han-lab's code, and in code derived from it, they are modules that wrap a
layer as ``net``, and this name appears in the layer's keys:

- ``layer1.0.conv1.net.weight``: a shift before a convolution;
- ``layer1.0.net.conv1.weight``: a shift before a whole block (``place="block"``);
- ``layer2.net.0.conv1.weight``: pooling before a stage.

Operators with weights (gates, non-local blocks) have their own keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from spatempo.models.layout import Operators
from spatempo.operators.gate_shift import GateShift
from spatempo.operators.gate_shift_fuse import GateShiftFuse
from spatempo.operators.non_local import NonLocal
from spatempo.operators.shift import TemporalShift
from spatempo.operators.temporal_pool import TemporalPool

_POOLED = re.compile(r"(?:^|\.)layer(\d)\.net\.")
_BLOCK = re.compile(r"(?:^|\.)(layer\d\.\d+)\.net\.")
_CONV = re.compile(r"\.net\.(?:conv\.)?weight$")
_BLOCK_NUMBER = re.compile(r"(?:^|\.)layer(\d)\.(?:net\.)?(\d+)\.")


def operators_of(names: Iterable[str], rename: Callable[[str], str]) -> Operators:
    """The operators that the keys of a file imply.

    Args:
        names: keys of the file.
        rename: converts a key of the file to the model's key, ``backbone.*``.
    """
    names = set(names)
    found: Operators = {}
    for name in names:
        own = rename(name).removeprefix("backbone.")
        plain = name.replace(".block.", ".")  # remove the wrapper of a non-local block
        if pooled := _POOLED.search(plain):
            found[f"{_last_block(names, int(pooled[1]) - 1)}.temporal"] = TemporalPool
            plain = plain.replace(".net.", ".", 1)
        if block := _BLOCK.search(plain):
            found[f"{block[1]}.temporal_in"] = TemporalShift
        elif _CONV.search(plain):
            if f"{_conv(name)}.gsm.conv3D.weight" not in names:
                found[f"{own.removesuffix('.weight')}.temporal"] = TemporalShift
        elif own.endswith(".temporal.theta.weight"):
            found[own.removesuffix(".theta.weight")] = NonLocal
        elif own.endswith(".temporal.conv3D.weight"):
            gate = own.removesuffix(".conv3D.weight")
            fused = name.replace("conv3D.weight", "channel_conv1.weight") in names
            found[gate] = GateShiftFuse if fused else GateShift
    return found


def _conv(name: str) -> str:
    """The name of a wrapped layer: ``layer1.0.conv1`` for ``layer1.0.conv1.net.weight``."""
    return name.rpartition(".net.")[0]


def _last_block(names: set[str], stage: int) -> str:
    numbers = [int(found[2]) for n in names if (found := _BLOCK_NUMBER.search(n)) and int(found[1]) == stage]
    return f"layer{stage}.{max(numbers, default=0)}"
