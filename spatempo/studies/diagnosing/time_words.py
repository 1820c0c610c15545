"""What `diagnose` found, in words: sentences computed from the numbers, no stronger than the paired tests allow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatempo.report.figures import percent
from spatempo.report.time_page import chance


def sentence(found: Mapping[str, Any]) -> str:
    """What the numbers say of one model.

    Args:
        found: of :func:`~spatempo.evaluation.order.dependence.time_dependence`, with ``name``.
    """
    name, ordered, shuffled = found["name"], percent(found["ordered"]), percent(found["shuffled"])
    gain = 100 * (found["ordered"] - found["shuffled"])
    p_value = f"p {chance(found['p_value'])}"
    if found["verdict"] == "blind":
        return f"{name}: shuffling the frames changes nothing ({ordered} right either way): it sees no order."
    told = {
        "uses order": f"order is worth {gain:.1f} points ({p_value})",
        "better shuffled": f"it does better on shuffled frames, by {-gain:.1f} points ({p_value})",
        "not shown": f"{found['n']} videos do not show that its answers need order ({p_value}), though scores change",
    }[found["verdict"]]
    return f"{name}: {ordered} right in order, {shuffled} shuffled: {told}.{_within_pairs(found)}"


def verdict_words(found: Mapping[str, Any]) -> str:
    """The same in a few words, for under its figures."""
    return {
        "blind": "it sees no order",
        "uses order": f"order is worth {100 * (found['ordered'] - found['shuffled']):.1f} points",
        "better shuffled": "better on shuffled frames",
        "not shown": "no use of order can be shown",
    }[found["verdict"]]


def data_sentence(need: Mapping[str, Any]) -> str:
    """What the numbers say of the data.

    Args:
        need: of :func:`~spatempo.evaluation.order.dependence.need_of_order`, with ``temporal_name`` and ``blind_name``.
    """
    temporal, blind = need["temporal_name"], need["blind_name"]
    names = f"{temporal} gets {percent(need['temporal'])} of {need['n']} videos, {blind} {percent(need['blind'])}"
    if need["p_value"] >= 0.05:
        return f"The data: {names}; that they need order is not shown (p {chance(need['p_value'])})."
    if need["temporal"] < need["blind"]:
        return f"The data: {names}: the order-blind model is the better one."
    groups = need["groups_need_order"]
    named = f": {', '.join(groups)}" if groups else ""
    return (
        f"The data: {names}; {percent(need['needs_order'])} are right with {temporal} only, "
        f"{percent(need['only_blind'])} with {blind} only. Order is needed in {len(groups)} of "
        f"{len(need['per_group'])} classes or pairs{named}."
    )


def _within_pairs(found: Mapping[str, Any]) -> str:
    """A movement or its reverse, where the data has such pairs."""
    told = [
        f"{family} {percent(row['ordered'])} in order, {percent(row['shuffled'])} shuffled"
        for family, row in found.get("families", {}).items()
        if row["pairs"]
    ]
    return f" Within pairs of a class and its reverse: {'; '.join(told)}." if told else ""
