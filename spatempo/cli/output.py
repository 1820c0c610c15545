"""Output of results: tables for people, one JSON document for programs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from spatempo.errors import SpatempoError
from spatempo.terminal import print_line, visible

_PIPED_WIDTH = 10_000  # columns; tables are as wide as their text, so no path is cut off in a pipe


class Incomplete(SpatempoError):
    """Only part of the work could be done. The document is printed, then this message; the exit code is 2."""

    def __init__(self, document: object, message: str) -> None:
        super().__init__(message)
        self.document = document


def print_json(document: object) -> None:
    """Prints ``document`` as JSON on stdout. NaN and infinity become null, since JSON does not have them."""
    print(json.dumps(plain(document), indent=2, allow_nan=False))


def plain(value: object) -> object:
    """Converts ``value`` to JSON types: paths to text, numpy scalars to numbers, arrays to lists, NaN to None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # numpy arrays and scalars, tensors; neither library is imported
        return plain(value.tolist())  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """Prints a table on stdout. Numbers are right-aligned; nothing is cut off in a pipe; markup is not interpreted.

    Args:
        columns: headings.
        rows: one sequence of cells per row; None is shown as ``-``.
        title: line above the table.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    rows = [list(row) for row in rows]
    title = title and visible(title)
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for index, heading in enumerate(columns):
        numeric = bool(rows) and all(row[index] is None or _is_number(row[index]) for row in rows)
        table.add_column(visible(heading), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    width = None if sys.stdout.isatty() else _PIPED_WIDTH
    # a class named "[red]" or ":smile:" is printed unchanged
    console = Console(file=sys.stdout, width=width, markup=False, emoji=False, highlight=False)
    with console.capture() as drawn:
        console.print(table)
    lines = [line.rstrip() for line in drawn.get().splitlines()]
    print("\n".join(lines).strip("\n"))  # control characters in the cells are already escaped


def print_unreadable(unreadable: Sequence[Mapping[str, object]]) -> None:
    """Lists unreadable videos, one line each with the reason. Prints nothing if there are none."""
    if unreadable:
        print_line(f"{counted(len(unreadable), 'video')} cannot be read:")
        for entry in unreadable:
            print_line(f"  {entry['path']}: {entry['reason']}")


def counted(number: int, noun: str) -> str:
    """Number and noun: ``1 video``, ``2 videos``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def count(value: float | None) -> str | None:
    """Formats a parameter or MAC count: 23.86M, 32.70G; None stays None."""
    if value is None:
        return None
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size:
            return f"{value / size:.2f}{unit}"
    return f"{value:g}"


def percent(fraction: float | None) -> str | None:
    """Formats a fraction as a percentage with one decimal; None for None and NaN."""
    return None if fraction is None or math.isnan(fraction) else f"{100 * fraction:.1f}%"


def _is_number(value: object) -> bool:
    if isinstance(value, str):
        return value[:1].isdigit() and value[-1:] in "0123456789kMG%"
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3f}" if isinstance(value, float) else visible(value)
