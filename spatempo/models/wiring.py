"""Whether weights are for the operators that a model has, where parameters alone do not tell.

A temporal shift, a pooling and a shuffle have no weights, so a file of one network may fit another by every key and
shape and compute something else. Where the keys of a file tell its operators, they must be the model's. One case is
allowed with a note, because training of a TSM may start there: a file without any shift, of a TSN.
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
_TAKEN_OVER = ("bn_eps",)  # options that a model takes from the weights


def model_operators(model: VideoModel) -> Operators:
    """The operators of a model, by their module's name in the backbone."""
    return {n: type(m) for n, m in model.backbone.named_modules() if isinstance(m, TemporalOperator)}


def check_wiring(model: VideoModel, wanted: Operators, source: str) -> str | None:
    """Compares the operators that a file of other code is for with the model's.

    Args:
        model: that gets the weights.
        wanted: what the keys tell, see :func:`~spatempo.models.layouts.wrappers.operators_of`.
        source: the file, for the error.

    Returns:
        A note to the user, if there is one.

    Raises:
        SpatempoError: they differ; says which design and options fit.
    """
    own = model_operators(model)
    if own == wanted:
        if TemporalShift in own.values() and model.options.get("causal"):
            return "its network shifts in both directions, and with causal=True this model shifts from the past only"
        return None
    only_non_local = set(wanted.values()) <= {NonLocal}
    if model.design == "tsm" and only_non_local and wanted == {n: k for n, k in own.items() if k is NonLocal}:
        return f"its keys have no temporal shift, so it is of a TSN; the shifts of {model.name} are new to its weights"
    design, options = _design(model, wanted)
    raise SpatempoError(
        f"{source}: is not for this {model.name}: its keys tell of other temporal operators "
        f"({_first_difference(own, wanted)}); {_fix(model, design, options)}"
    )


def note_of_own(model: VideoModel, header: Header) -> str | None:
    """What to say about weights of a checkpoint of ours in another design, or in the same one with other options."""
    same = same_operators(header, model.plugged) is None
    if header.design != model.design:
        return None if same else f"they were trained in {header.name}, and this model is {model.name}"
    before = {**model.options, **DESIGNS[model.design].older, **header.options}
    other = [k for k in model.options if before[k] != model.options[k] and k not in _TAKEN_OVER]
    if not other or (model.plugged and same):
        return None
    theirs, ours = (", ".join(f"{k}={options[k]!r}" for k in other) for options in (before, model.options))
    return f"they were trained with {theirs}, and this model has {ours}"


def _first_difference(own: Operators, wanted: Operators) -> str:
    where = next(n for n in sorted({**wanted, **own}) if wanted.get(n) != own.get(n))
    theirs, ours = (kind.__name__ if kind else "none" for kind in (wanted.get(where), own.get(where)))
    module, _, seam = where.rpartition(".")
    at = f"the input of {module}" if seam == "temporal_in" else module
    return f"at {at} the file has {theirs}, the model {ours}"


def _design(model: VideoModel, wanted: Operators) -> tuple[str, dict[str, Any]]:
    """The design that has these operators, and its options; an empty string if there is none."""
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
    """n, where every n-th block of each stage of a ResNet has a shift or a gate; of other backbones 1."""
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
    """How to get the model that the file is for."""
    if not design:
        return "no design here has these operators"
    backbone = model.backbone_source.rpartition("/")[2]
    placement = {"gsm": "conv1", "gsf": "conv3"}.get(design, "residual")
    every = 1 if options.get("placement") == "conv3" else first_of_every(backbone)
    default = {"placement": placement, "every": every}
    given = model.options if design == model.design else DESIGNS[design].options
    have = {k: default[k] if given[k] is None else given[k] for k in options}
    asked = [f"{k}={v!r}" for k, v in options.items() if have[k] != v]
    if design == model.design:
        return f"give {', '.join(asked)}" if asked else f"no option of {design} has these operators"
    return f"create {design}_{backbone}" + (f" with {', '.join(asked)}" if asked else "")
