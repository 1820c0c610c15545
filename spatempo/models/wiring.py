"""Checks that a weight file was made for the operators of a model.

Temporal shift, pooling and shuffle have no weights, so a file may match all keys and shapes of a model with other
operators, and the model would compute something else. If the keys of a file imply its operators, they must be those of
the model. One exception is allowed with a warning: weights of a TSN, without shifts, are a valid start for a TSM.
"""

from __future__ import annotations

import re
from typing import Any

from spatempo.errors import SpatempoError
from spatempo.models.design import DESIGNS
from spatempo.models.designs.tsm import first_of_every
from spatempo.models.header import Header, same_operators
from spatempo.models.layout import Operators
from spatempo.models.video_model import VideoModel
from spatempo.operators.base import TemporalOperator
from spatempo.operators.gate_shift import GateShift
from spatempo.operators.gate_shift_fuse import GateShiftFuse
from spatempo.operators.non_local import NonLocal
from spatempo.operators.shift import TemporalShift
from spatempo.operators.temporal_pool import TemporalPool

_GATES: dict[type[TemporalOperator], str] = {GateShift: "gsm", GateShiftFuse: "gsf"}
_BLOCK = re.compile(r"(layer\d)\.(\d+)\.")
_ADOPTED = ("bn_eps",)  # options that a model adopts from the weights


def model_operators(model: VideoModel) -> Operators:
    """The operator classes of a model by module name in the backbone."""
    return {n: type(m) for n, m in model.backbone.named_modules() if isinstance(m, TemporalOperator)}


def check_wiring(model: VideoModel, wanted: Operators, source: str) -> str | None:
    """Compares the operators that a file of other code was made for with those of the model.

    Args:
        model: the model that the weights are loaded into.
        wanted: operators that the keys imply, see :func:`~spatempo.models.layouts.wrappers.operators_of`.
        source: the file, for error messages.

    Returns:
        A warning for the user, or ``None``.

    Raises:
        SpatempoError: the operators differ; the message says which design and options fit.
    """
    own = model_operators(model)
    if own == wanted:
        if TemporalShift in own.values() and model.options.get("causal"):
            return "its network shifts in both directions, but with causal=True this model shifts from the past only"
        return None
    only_non_local = set(wanted.values()) <= {NonLocal}
    if model.design == "tsm" and only_non_local and wanted == {n: k for n, k in own.items() if k is NonLocal}:
        return f"its keys have no temporal shift, so it is a TSN; it was trained without the shifts of {model.name}"
    design, options = _design(model, wanted)
    raise SpatempoError(
        f"{source}: does not fit this {model.name}: its temporal operators differ "
        f"({_first_difference(own, wanted)}); {_fix(model, design, options)}"
    )


def checkpoint_note(model: VideoModel, header: Header) -> str | None:
    """A warning if a spatempo checkpoint is of another design than the model, or has other options."""
    same = same_operators(header, model.plugged) is None
    if header.design != model.design:
        return None if same else f"the weights were trained in {header.name}, but this model is {model.name}"
    before = {**model.options, **DESIGNS[model.design].older_defaults, **header.options}
    other = [k for k in model.options if before[k] != model.options[k] and k not in _ADOPTED]
    if not other or (model.plugged and same):
        return None
    theirs, ours = (", ".join(f"{k}={options[k]!r}" for k in other) for options in (before, model.options))
    return f"the weights were trained with {theirs}, but this model has {ours}"


def _first_difference(own: Operators, wanted: Operators) -> str:
    where = next(n for n in sorted({**wanted, **own}) if wanted.get(n) != own.get(n))
    theirs, ours = (kind.__name__ if kind else "none" for kind in (wanted.get(where), own.get(where)))
    module, _, seam = where.rpartition(".")
    at = f"the input of {module}" if seam == "temporal_in" else module
    return f"at {at} the file has {theirs}, the model {ours}"


def _design(model: VideoModel, wanted: Operators) -> tuple[str, dict[str, Any]]:
    """The name and options of the design with these operators; the name is empty if there is none."""
    kinds = set(wanted.values())
    if not kinds:
        return "tsn", {}
    gates = kinds & set(_GATES)
    if gates:
        design = _GATES[gates.pop()]
        if not any(_BLOCK.match(n) for n in wanted):
            return design, {}
        placement = "conv1" if all(n.endswith(".conv1.temporal") for n in wanted) else "conv3"
        options = {"placement": placement, "every": _every(model, wanted)}
        return design, {k: v for k, v in options.items() if k in DESIGNS[design].options}
    if TemporalShift not in kinds:
        return "", {}
    return "tsm", {
        "placement": "inplace" if any(n.endswith(".temporal_in") for n in wanted) else "residual",
        "every": _every(model, wanted),
        "non_local": NonLocal in kinds,
        "temporal_pool": TemporalPool in kinds,
    }


def _every(model: VideoModel, wanted: Operators) -> int:
    """n, if every n-th block of each stage of a ResNet has a shift or a gate; 1 for other backbones."""
    chosen: dict[str, set[int]] = {}
    for name, kind in wanted.items():
        if (block := _BLOCK.match(name)) and kind not in (NonLocal, TemporalPool):
            chosen.setdefault(block[1], set()).add(int(block[2]))
    blocks: dict[str, set[int]] = {}
    for name in model.backbone.state_dict():
        if block := _BLOCK.match(name):
            blocks.setdefault(block[1], set()).add(int(block[2]))
    longest = max(map(len, blocks.values()), default=1)
    steps = range(1, longest + 1)
    return next((s for s in steps if all(chosen.get(k) == {b for b in n if b % s == 0} for k, n in blocks.items())), 1)


def _fix(model: VideoModel, design: str, options: dict[str, Any]) -> str:
    """Says how to create the model that the file fits."""
    if not design:
        return "no design here has these operators"
    backbone = model.backbone_source.rpartition("/")[2]
    placement = {"gsm": "conv1", "gsf": "conv3"}.get(design, "residual")
    every = 1 if options.get("placement") == "conv3" else first_of_every(backbone)
    default = {"placement": placement, "every": every}
    given = model.options if design == model.design else DESIGNS[design].options
    have = {k: default[k] if given[k] is None else given[k] for k in options}
    needed = [f"{k}={v!r}" for k, v in options.items() if have[k] != v]
    if design == model.design:
        return f"give {', '.join(needed)}" if needed else f"no option of {design} gives these operators"
    return f"create {design}_{backbone}" + (f" with {', '.join(needed)}" if needed else "")
