"""Recipe fields on the command line: some have their own flag, all others are set with ``--set FIELD=VALUE``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from spatempo.cli.values import parse_options
from spatempo.errors import SpatempoError
from spatempo.learning.recipe import Recipe


def recipe_fields(
    flags: Mapping[str, Any], pairs: Sequence[str], renamed: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Merges flags and ``--set`` into one dict of recipe fields.

    Args:
        flags: field -> value of its flag; None or False if the flag was not given.
        pairs: values of ``--set``.
        renamed: fields that are set by a flag with another name, such as ``{"epochs": "--budget"}``.

    Raises:
        SpatempoError: a field that the recipe does not have, or that a flag sets as well.
    """
    renamed = renamed or {}
    given = {name: value for name, value in flags.items() if value is not None and value is not False}
    for name, value in parse_options(pairs, "--set").items():
        _check_known(name)
        if name in given or name in renamed:
            flag = renamed.get(name, "--" + name.replace("_", "-"))
            raise SpatempoError(f"--set {name}={value}: this field is set by {flag}; use only {flag}")
        given[name] = value
    return given


def _check_known(name: str) -> None:
    known: Iterable[str] = [field.name for field in fields(Recipe) if field.name != "name"]
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"fields: {', '.join(known)}"
        raise SpatempoError(f"--set {name}=...: unknown field of the recipe; {hint}")
