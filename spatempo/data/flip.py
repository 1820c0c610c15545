"""Mirroring a clip turns left into right: which label a mirrored clip has.

A mirrored "Swiping Left" *is* a "Swiping Right"; trained on under its old name it teaches the opposite of the truth.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from spatempo.errors import SpatempoError

_DIRECTION = re.compile(
    r"(?P<counterclockwise>(?:counter|anti)[\s_-]?clockwise|ccw|acw)|(?P<clockwise>clockwise|cw)"
    r"|(?P<left>left(?:wards?)?)|(?P<right>right(?:wards?)?)",
    re.IGNORECASE,
)
_MIRRORED = {"left": "right", "right": "left", "clockwise": "counterclockwise", "counterclockwise": "clockwise"}


def direction_flip_map(classes: Sequence[str]) -> dict[int, int]:
    """Labels of mirrored clips: ``{label: label of its mirror image}`` for every class that names a direction.

    Left and right are swapped, and clockwise and counterclockwise, wherever they stand in a name as a word of its own:
    "Swiping Left" with "Swiping Right", "from left to right" with "from right to left", ``turn_cw`` with ``turn_ccw``,
    ``SwipeLeft`` with ``SwipeRight``; "Bright" holds no such word. Case and spelling (anticlockwise, counter-clockwise)
    do not matter. Classes without such a word are not in the map: their mirror image keeps its label. Whether that is
    true (of a tick, of a letter) only the user knows.

    Raises:
        SpatempoError: a class names a direction, and its mirror image is not among the classes, or is there twice.
    """
    meanings = [_meaning(name) for name in classes]
    swapped: dict[int, int] = {}
    for label, name in enumerate(classes):
        mirrored = _meaning(mirror_name(name))
        if mirrored == meanings[label]:
            continue
        partners = [i for i, meaning in enumerate(meanings) if meaning == mirrored]
        if len(partners) != 1 or meanings.count(meanings[label]) != 1:
            found = "is there twice" if partners else "is not among the classes"
            raise SpatempoError(
                f"flip: class {name!r} names a direction, and its mirror image {mirror_name(name)!r} {found}; "
                "train without flips, or give the labels of mirrored clips"
            )
        swapped[label] = partners[0]
    return swapped


def mirror_name(name: str) -> str:
    """`name` with its words of direction swapped, their case kept: "Swiping LEFT" to "Swiping RIGHT"."""
    return _replace_directions(name, _mirror_word)


def check_flip_map(flip: Mapping[int, int], classes: Sequence[str]) -> None:
    """Refuses a map with a label that is no class, or under which mirroring twice does not give the label back."""
    for label, partner in flip.items():
        if not (0 <= label < len(classes) and 0 <= partner < len(classes)):
            raise SpatempoError(
                f"flip: {label} -> {partner}, but labels run from 0 to {len(classes) - 1}; correct the map"
            )
        back = flip.get(partner, partner)
        if back != label:
            raise SpatempoError(f"flip: {label} -> {partner}, but {partner} -> {back}; make the map go both ways")


def _meaning(name: str) -> str:
    """The name without case, and with one spelling for each direction."""
    return _replace_directions(name, lambda match: f"<{match.lastgroup}>").lower()


def _replace_directions(name: str, new: Callable[[re.Match[str]], str]) -> str:
    """Replaces words of direction; a part of a longer word is left alone, a part of a camelCase name is a word."""

    def replace(match: re.Match[str]) -> str:
        before, after, text = name[: match.start()][-1:], name[match.end() :][:1], match[0]
        starts = not before.isalpha() or (before.islower() and text[0].isupper())
        ends = not after.isalpha() or (text[-1].islower() and after.isupper())
        return new(match) if starts and ends else text

    return _DIRECTION.sub(replace, name)


def _mirror_word(match: re.Match[str]) -> str:
    text, kind = match[0], match.lastgroup or ""
    if len(text) <= 3:  # cw, ccw, acw
        new = "ccw" if kind == "clockwise" else "cw"
    else:
        ending = "" if kind.endswith("wise") else text[len(kind) :]  # -ward, -wards
        new = _MIRRORED[kind] + ending.lower()
    if text.isupper():
        return new.upper()
    return new.capitalize() if text[0].isupper() else new
