"""Replaces Python settings in messages by command-line flags.

Messages of the library contain settings in backticks, such as ```max_unreadable` `` or ```lr=nan` ``. On the command
line these become ``--max-unreadable`` or ``--lr nan``. A recipe field without its own flag becomes
``--set clip_norm=...``, and an option of the design ``--option causal=true``.
"""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from typing import Any

from spatempo.learning.recipe import Recipe

_SETTING = re.compile(r"`([a-z_]+)(?:=([^`]+))?`")
# Python literals -> values of --option and --set
_JSON = {"True": "true", "False": "false", "None": "null"}
# Python argument -> flag, if the names differ
_RENAMED = {"pretrained": "weights", "num_classes": "classes"}


def with_flags(message: str, options: type[Any]) -> str:
    """Replaces the settings in backticks in `message` by the flags of the command with these `options`.

    >>> with_flags("4 of 9 cannot be read (`max_unreadable`)", TrainOptions)  # doctest: +SKIP
    '4 of 9 cannot be read (--max-unreadable)'
    """
    flags = _flags(options)
    recipe = {field.name for field in fields(Recipe)} if "set" in flags else set()

    def named(match: re.Match[str]) -> str:
        name, value = match[1], match[2] and match[2].strip("'\"")
        if name not in flags:
            name = _RENAMED.get(name, name)
        if name in flags:
            return flags[name] if value in (None, "True") else f"{flags[name]} {value}"
        if name in recipe:
            return f"--set {name}={_JSON.get(value, value) if value else '...'}"
        if value is not None and "option" in flags:
            return f"--option {name}={_JSON.get(value, value)}"
        return match[0]

    return _SETTING.sub(named, message)


def _flags(options: type[Any]) -> dict[str, str]:
    """Flag of every field, including those of nested dataclasses, whose flags have no prefix."""
    found: dict[str, str] = {}
    for field in fields(options):
        inner = getattr(field, "default_factory", None)
        if isinstance(inner, type) and is_dataclass(inner):
            found |= _flags(inner)
        else:
            found[field.name] = "--" + field.name.replace("_", "-")
    return found
