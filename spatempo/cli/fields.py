"""Fields of the recipe on the command line: some have a flag, every other is reached by ``--set FIELD=VALUE``."""

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
    """Puts flags and ``--set`` together.

    Args:
        flags: field -> what its flag was given; None and False: not given.
        pairs: of ``--set``.
        renamed: fields that are the business of a flag with another name, such as ``{"epochs": "--budget"}``.

    Raises:
        SpatempoError: a field that the recipe does not have, or that a flag sets.
    """
    renamed = renamed or {}
    given = {name: value for name, value in flags.items() if value is not None and value is not False}
    for name, value in parse_options(pairs, "--set").items():
        _check_known(name)
        if name in given or name in renamed:
            flag = renamed.get(name, "--" + name.replace("_", "-"))
            raise SpatempoError(f"--set {name}={value}: {flag} says that; use the flag alone")
        given[name] = value
    return given


def _check_known(name: str) -> None:
    known: Iterable[str] = [field.name for field in fields(Recipe) if field.name != "name"]
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}"
        raise SpatempoError(f"--set {name}=...: the recipe has no such field; {hint}")
