"""Rules: how operators are written in an exported network, by their class."""

from __future__ import annotations

from spatempo.operators.base import TemporalOperator
from spatempo.operators.shift import TemporalShift
from spatempo.runtime.rules.rule import FORMS, Form, Layout, Rule, Site
from spatempo.runtime.rules.shift import SHIFT

RULES: dict[type[TemporalOperator], Rule] = {TemporalShift: SHIFT}


def rule_of(operator: TemporalOperator) -> Rule | None:
    """The rule of an operator; ``None``: it runs its own ``mix``."""
    rule = RULES.get(type(operator))
    return rule if rule is not None and rule.applies(operator) else None


__all__ = ["FORMS", "RULES", "Form", "Layout", "Rule", "Site", "rule_of"]
