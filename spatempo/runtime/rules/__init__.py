"""Rules: how operators are written in an exported network, by their class."""

from __future__ import annotations

from spatempo.operators.base import TemporalOperator
from spatempo.operators.gate_shift import GateShift
from spatempo.operators.gate_shift_fuse import GateShiftFuse
from spatempo.operators.shift import TemporalShift
from spatempo.operators.shuffle import VideoShuffle
from spatempo.operators.sth_conv import SthConv2d
from spatempo.runtime.rules.gate_shift import GATE
from spatempo.runtime.rules.rule import FORMS, Form, Layout, Rule, Site
from spatempo.runtime.rules.shift import SHIFT
from spatempo.runtime.rules.shuffle import SHUFFLE
from spatempo.runtime.rules.sth_branches import STH

RULES: dict[type[TemporalOperator], Rule] = {
    TemporalShift: SHIFT,
    VideoShuffle: SHUFFLE,
    GateShift: GATE,
    GateShiftFuse: GATE,
    SthConv2d: STH,
}


def rule_of(operator: TemporalOperator, layout: Layout = "frames") -> Rule | None:
    """The rule of an operator for a layout of the maps; ``None``: it runs its own ``mix``."""
    rule = RULES.get(type(operator))
    return rule if rule is not None and layout in rule.layouts and rule.applies(operator) else None


__all__ = ["FORMS", "RULES", "Form", "Layout", "Rule", "Site", "rule_of"]
