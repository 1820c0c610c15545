"""Sentences that summarise the results of `diagnose`, no stronger than the paired tests allow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatempo.report.figures import percent
from spatempo.report.time_page import p_value_text


def sentence(found: Mapping[str, Any]) -> str:
    """Summary for one model.

    Args:
        found: result of :func:`~spatempo.evaluation.order.dependence.time_dependence`, with ``name``.
    """
    name, ordered, shuffled = found["name"], percent(found["ordered"]), percent(found["shuffled"])
    drop = 100 * (found["ordered"] - found["shuffled"])
    p_value = f"p {p_value_text(found['p_value'])}"
    if found["verdict"] == "order-blind":
        return f"{name}: shuffling the frames changes nothing (accuracy {ordered} either way). It does not see order."
    conclusion = {
        "uses order": f", a drop of {drop:.1f} points ({p_value}).",
        "better when shuffled": f", so it is better on shuffled frames by {-drop:.1f} points ({p_value}).",
        "inconclusive": (
            f". The scores change, but {found['n']} videos do not show that the predictions need order ({p_value})."
        ),
    }[found["verdict"]]
    return f"{name}: accuracy {ordered} in order, {shuffled} shuffled{conclusion}{_within_pairs(found)}"


def verdict_words(found: Mapping[str, Any]) -> str:
    """The conclusion in a few words, for the card of the model."""
    return {
        "order-blind": "does not see order",
        "uses order": f"drop when shuffled: {100 * (found['ordered'] - found['shuffled']):.1f} points",
        "better when shuffled": "better on shuffled frames",
        "inconclusive": "use of order: inconclusive",
    }[found["verdict"]]


def data_sentence(need: Mapping[str, Any]) -> str:
    """Summary for the data.

    Args:
        need: result of :func:`~spatempo.evaluation.order.dependence.order_requirement`, with ``temporal_name`` and
            ``order_blind_name``.
    """
    temporal, blind = need["temporal_name"], need["order_blind_name"]
    accuracies = (
        f"{temporal} has an accuracy of {percent(need['temporal'])} on {need['n']} videos, "
        f"{blind} {percent(need['order_blind'])}"
    )
    if need["p_value"] >= 0.05:
        p_value = p_value_text(need["p_value"])
        return f"The data: {accuracies}. This does not show that the data need order (p {p_value})."
    if need["temporal"] < need["order_blind"]:
        return f"The data: {accuracies}. The order-blind model is better."
    groups = need["groups_need_order"]
    named = f": {', '.join(groups)}" if groups else ""
    return (
        f"The data: {accuracies}. On {percent(need['needs_order'])} only {temporal} is correct, on "
        f"{percent(need['only_order_blind'])} only {blind}. Order is needed in {len(groups)} of "
        f"{len(need['per_group'])} classes or pairs{named}."
    )


def _within_pairs(found: Mapping[str, Any]) -> str:
    """Accuracy in choosing between a class and its reverse, for families with such pairs."""
    accuracies = [
        f"{family} {percent(row['ordered'])} in order, {percent(row['shuffled'])} shuffled"
        for family, row in found.get("families", {}).items()
        if row["pairs"]
    ]
    return f" Within pairs of a class and its reverse: {'; '.join(accuracies)}." if accuracies else ""
