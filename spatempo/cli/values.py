"""Parses flag values with their own syntax: ``--option p=1/8``, ``--mean 0.5,0.5,0.5``."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from spatempo.errors import SpatempoError
from spatempo.limits import check_number

_FRACTION = re.compile(r"([+-]?\d+)/(\d+)")


def parse_options(pairs: Sequence[str], flag: str = "--option") -> dict[str, Any]:
    """Converts repeated ``--option NAME=VALUE`` (or another flag) to keyword arguments.

    Values are parsed as JSON if possible (``3``, ``0.125``, ``true``, ``null``, ``[1,2]``), fractions as numbers
    (``1/8``), everything else as text (``merge``). If a name is given twice, the last value is used.

    >>> parse_options(["p=1/8", "form=merge", "causal=true", "shift_div=8"])
    {'p': 0.125, 'form': 'merge', 'causal': True, 'shift_div': 8}

    Raises:
        SpatempoError: a pair without ``=``, or with a name that is not a Python identifier.
    """
    options: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name.isidentifier():
            raise SpatempoError(f"{flag} {pair}: write {flag} NAME=VALUE, for example {flag} shift_div=8")
        options[name] = parse_value(text)
    return options


def parse_value(text: str) -> object:
    """Parses one value of ``--option``, see `parse_options`."""
    text = text.strip()
    if fraction := _FRACTION.fullmatch(text):
        if int(fraction[2]) == 0:
            raise SpatempoError(f"{text}: division by zero; give another denominator")
        return int(fraction[1]) / int(fraction[2])
    if text in ("True", "False", "None"):  # Python spelling
        return {"True": True, "False": False, "None": None}[text]
    try:
        return json.loads(text, parse_constant=lambda name: name)
    except ValueError:
        return text


def parse_rgb(flag: str, text: str | None) -> tuple[float, float, float] | None:
    """Parses ``"0.485,0.456,0.406"`` (or with spaces) for ``--mean`` and ``--std``; None stays None."""
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.replace(",", " ").split()]
    except ValueError:
        numbers = []
    if len(numbers) != 3:
        raise SpatempoError(f"{flag} {text}: give three numbers for red, green and blue, such as 0.485,0.456,0.406")
    for number in numbers:
        check_number(flag.removeprefix("--"), number)
    return numbers[0], numbers[1], numbers[2]


def join_rgb(words: Sequence[str]) -> list[str]:
    """Joins three numbers after ``--mean`` or ``--std`` with commas, so that they may be separated by spaces.

    >>> join_rgb(["--mean", "0.5", "0.4", "0.3", "data.csv"])
    ['--mean', '0.5,0.4,0.3', 'data.csv']
    """
    joined: list[str] = []
    index = 0
    while index < len(words):
        joined.append(words[index])
        index += 1
        if joined[-1] in ("--mean", "--std") and all(_is_float(word) for word in words[index : index + 3]):
            joined.append(",".join(words[index : index + 3]))
            index += 3
    return joined


def _is_float(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
