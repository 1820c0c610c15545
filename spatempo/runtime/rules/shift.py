"""TSM's shift in time-major order: a group of channels moves by one frame, which is a move by B along the batch axis.

No call has five dimensions, and no channels are cut where the producers write the groups apart (form ``concat`` or
``sum``). In the form ``sum`` the next convolution is ``W_moved [next, previous] + W_rest rest``. In the form ``taps``
the shift is what its definition says: a convolution of three taps along time with fixed weights 0 and 1.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
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
    if site.form == "taps" and site.layout == "clips" and shift.padding == "zero":
        _convolve(site, sizes)
        return
    groups = _groups(site, sizes)
    moves = ["previous"] if shift.causal else ["next", "previous"]
    with site.graph.before(site.call):
        circulant = shift.padding == "circulant"
        moved = [move(site, group, way, circulant) for group, way in zip(groups, moves, strict=False)]
    join(site, site.call, moved, groups[len(moves) :], sizes)


def _convolve(site: Site, sizes: Sequence[int]) -> None:
    """The shift as a depthwise convolution over time: one weight of 1 per channel, at t+1, t-1 or t."""
    total = channels(site.x)
    taps = torch.zeros(total, 1, 3, 1, 1, dtype=site.x.meta["val"].dtype)
    moving = [0] if site.operator.causal else [2, 0]
    first = 0
    for size, tap in zip(sizes, [*moving, 1], strict=False):
        taps[first : first + size, 0, tap] = 1
        first += size
    with site.graph.before(site.call):
        weight = site.graph.add_constant("shift_taps", taps)
        ones = [1, 1, 1]
        y = site.graph.call(aten.conv3d.default, site.x, weight, None, ones, [1, 0, 0], ones, total)
    site.call.replace_all_uses_with(y)


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
    join(site, mixed, [past], groups[1:], sizes)


def _sizes(total: int, shift: Any) -> list[int]:
    """Channels of the groups, those that move first; one group: nothing moves."""
    fold = total // shift.div
    moving = [fold] * (1 if shift.causal else 2) if fold else []
    rest = total - sum(moving)
    return [*moving, rest] if rest else moving


def _groups(site: Site, sizes: Sequence[int]) -> list[fx.Node]:
    if site.form in ("concat", "sum"):
        return site.streams.groups(site.x, sizes)
    with site.graph.before(site.call):
        return cut(site.graph, site.x, sizes)


def move(site: Site, x: fx.Node, direction: str, circulant: bool = False) -> fx.Node:
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


def join(site: Site, old: fx.Node, moved: list[fx.Node], rest: list[fx.Node], sizes: Sequence[int]) -> None:
    """Replaces the uses of a tensor by its groups of channels: joined, or in the form ``sum`` in the next convolution.

    Args:
        site: the call.
        old: the tensor.
        moved, rest: its groups in the order of the channels; at most one in `rest`.
        sizes: channels of the groups.
    """
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
