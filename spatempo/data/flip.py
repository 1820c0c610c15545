"""Labels of mirrored clips: mirroring swaps left and right.

A mirrored "Swiping Left" *is* a "Swiping Right". Training on it with the old label teaches the opposite direction.
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
    """Returns ``{label: label of the mirrored clip}`` for every class that names a direction.

    Left and right, and clockwise and counterclockwise, are swapped if they are separate words of a name: "Swiping Left"
    with "Swiping Right", "from left to right" with "from right to left", ``turn_cw`` with ``turn_ccw``, ``SwipeLeft``
    with ``SwipeRight``. "Bright" contains no such word. Case and spelling (anticlockwise, counter-clockwise) do not
    matter. Classes without such a word are not in the map: their mirrored clips keep the label. Only the user can know
    whether this is correct (for example for a tick or a letter).

    Raises:
        SpatempoError: the mirror image of a class with a direction is not among the classes, or is there twice.
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
                "train without flips, or give a map of the labels of mirrored clips"
            )
        swapped[label] = partners[0]
    return swapped


def mirror_name(name: str) -> str:
    """Swaps the direction words of `name` and keeps their case: "Swiping LEFT" becomes "Swiping RIGHT"."""
    return _replace_directions(name, _mirror_word)


def check_flip_map(flip: Mapping[int, int], classes: Sequence[str]) -> None:
    """Raises an error if a label of the map is not a class, or if mirroring twice does not restore a label."""
    for label, partner in flip.items():
        if not (0 <= label < len(classes) and 0 <= partner < len(classes)):
            raise SpatempoError(
                f"flip: {label} -> {partner}, but labels run from 0 to {len(classes) - 1}; correct the map"
            )
        back = flip.get(partner, partner)
        if back != label:
            raise SpatempoError(f"flip: {label} -> {partner}, but {partner} -> {back}; make the map symmetric")


def _meaning(name: str) -> str:
    """Returns the name in lower case, with one spelling for each direction."""
    return _replace_directions(name, lambda match: f"<{match.lastgroup}>").lower()


def _replace_directions(name: str, new: Callable[[re.Match[str]], str]) -> str:
    """Replaces direction words. Parts of longer words are not replaced; parts of camelCase names are."""

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
