"""``spatempo models [GLOB]``: the catalogue."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any

from tyro.conf import Positional, arg

from spatempo.cli.output import count, print_table
from spatempo.errors import SpatempoError


@dataclass
class Options:
    """List the catalogue of designs.

    What each is made of, its size for 400 classes and clips of 8x224, and where it was published.
    """

    glob: Annotated[Positional[str], arg(metavar="GLOB")] = "*"
    """names to list, such as "tsm_*"."""
    json: bool = False
    """print one JSON document."""


def run(options: Options) -> list[dict[str, Any]]:
    """Describes every design that matches; returns ``[{name, operator, backbone, causal, params, macs, source}]``.

    Raises:
        SpatempoError: no name matches; says which names are near.
    """
    from rich.console import Console
    from rich.progress import track

    from spatempo.models.info import catalogue
    from spatempo.models.registry import list_models

    names = list_models(options.glob)
    if not names:
        near = get_close_matches(options.glob.strip("*"), list_models(), 3, 0.4)
        hint = f"did you mean {', '.join(near)}?" if near else "`spatempo models` lists all."
        raise SpatempoError(f"no design is called {options.glob!r}: {hint}")
    # each is built (without weights) and counted, which takes a moment for all of them
    progress = track(names, "counting", console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
    return [row for name in progress for row in catalogue(name)]


def show(document: list[dict[str, Any]]) -> None:
    """Prints one row a design."""
    rows = [
        (
            entry["name"],
            entry["operator"],
            entry["backbone"],
            entry["causal"],
            count(entry["params"]),
            count(entry["macs"]),
            entry["source"],
        )
        for entry in document
    ]
    print_table(["name", "operator", "backbone", "causal", "params", "MACs", "source"], rows)
