"""``spatempo models [GLOB]``: list the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any

from tyro.conf import Positional, arg

from spatempo.cli.output import count, print_table
from spatempo.errors import SpatempoError


@dataclass
class Options:
    """List the catalogue of models.

    The table shows operator and backbone, the size for 400 classes and clips of 8 frames of 224x224, and the paper.
    """

    glob: Annotated[Positional[str], arg(metavar="GLOB")] = "*"
    """pattern of the names to list, such as "tsm_*"."""
    json: bool = False
    """print one JSON document."""


def run(options: Options) -> list[dict[str, Any]]:
    """Describes every matching model; returns ``[{name, operator, backbone, causal, params, macs, source}]``.

    Raises:
        SpatempoError: no name matches; the message suggests similar names.
    """
    from spatempo.models.catalogue import catalogue

    rows = catalogue(options.glob)
    if not rows:
        near = get_close_matches(options.glob.strip("*"), [row["name"] for row in catalogue()], 3, 0.4)
        hint = f"did you mean {', '.join(near)}?" if near else "`spatempo models` lists all names."
        raise SpatempoError(f"no model matches {options.glob!r}: {hint}")
    return rows


def show(document: list[dict[str, Any]]) -> None:
    """Prints one row per model."""
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
