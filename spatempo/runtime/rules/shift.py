"""TSM's shift in time-major order: a group of channels moves by one frame, which is a move by B along the batch axis.

No call has five dimensions, and no channels are cut where the producers write the groups apart (form ``concat`` or
``sum``). In the form ``sum`` the next convolution is ``W_moved [next, previous] + W_rest rest``.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from torch import fx

from spatempo.operators.shift import TemporalShift
from spatempo.runtime.graph import aten, channels
from spatempo.runtime.rules.rule import Rule, Site
from spatempo.runtime.streams import conv_of_groups, cut, is_plain_conv


def shift_clip(site: Site) -> None:
    """Replaces the call of a :class:`~spatempo.operators.shift.TemporalShift` on clips."""
    shift = site.operator
    assert isinstance(shift, TemporalShift)
    sizes = _sizes(channels(site.x), shift)
    if len(sizes) == 1:
        site.call.replace_all_uses_with(site.x)
        return
    groups = _groups(site, sizes)
    moves = ["previous"] if shift.causal else ["next", "previous"]
    with site.graph.before(site.call):
        moved = [
            _move(site, group, move, shift.padding == "circulant") for group, move in zip(groups, moves, strict=False)
        ]
    _join(site, site.call, moved, groups[len(moves) :], sizes)


def shift_step(site: Site, past: fx.Node) -> None:
    """Replaces the call of a causal shift on one frame: the moving group is that of the frame before."""
    sizes = _sizes(channels(site.x), site.operator)
    mixed, kept = _outputs(site.call)
    if len(sizes) == 1:
        mixed.replace_all_uses_with(site.x)
        kept.replace_all_uses_with(past)
        return
    groups = _groups(site, sizes)
    kept.replace_all_uses_with(groups[0])
    _join(site, mixed, [past], groups[1:], sizes)


def _sizes(total: int, shift: Any) -> list[int]:
    """Channels of the groups, those that move first; one group: nothing moves."""
    fold = total // shift.div
    moving = [fold] * (1 if shift.causal else 2) if fold else []
    rest = total - sum(moving)
    return [*moving, rest] if rest else moving


def _groups(site: Site, sizes: Sequence[int]) -> list[fx.Node]:
    if site.form != "whole":
        return site.streams.groups(site.x, sizes)
    with site.graph.before(site.call):
        return cut(site.graph, site.x, sizes)


def _move(site: Site, x: fx.Node, direction: str, circulant: bool) -> fx.Node:
    """Each frame's channels from its next or previous frame; outside the clip zeros, or the other end's."""
    graph = site.graph
    axis, width = (0, site.clips) if site.layout == "frames" else (2, 1)
    back = graph.call(operator.neg, width) if isinstance(width, fx.Node) else -width
    if circulant:
        split = width if direction == "next" else back
        first = graph.call(aten.slice.Tensor, x, axis, split, 2**63 - 1)
        return graph.call(aten.cat.default, [first, graph.call(aten.slice.Tensor, x, axis, 0, split)], axis)
    ends = [back, width] if direction == "next" else [width, back]  # a negative width crops
    return graph.call(aten.constant_pad_nd.default, x, [0, 0, 0, 0, *([0, 0] if axis == 0 else []), *ends])


def _join(site: Site, old: fx.Node, moved: list[fx.Node], rest: list[fx.Node], sizes: Sequence[int]) -> None:
    users = list(old.users)
    if site.form == "sum" and rest and len(users) == 1 and is_plain_conv(users[0]) and users[0].args[0] is old:
        conv = users[0]
        total = conv_of_groups(site.graph, conv, [moved, rest], [sum(sizes[: len(moved)]), sizes[-1]])
        conv.replace_all_uses_with(total)
        return
    groups = [*moved, *rest]
    with site.graph.before(site.call):
        whole = groups[0] if len(groups) == 1 else site.graph.call(aten.cat.default, groups, 1)
    old.replace_all_uses_with(whole)


def _outputs(call: fx.Node) -> tuple[fx.Node, fx.Node]:
    first, second = sorted(call.users, key=lambda node: int(node.args[1]))  # pyright: ignore[reportArgumentType]
    return first, second


SHIFT = Rule(shift_clip, shift_step)
