"""How results reach a person (tables) or a program (one JSON document)."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from spatempo.errors import SpatempoError
from spatempo.terminal import say, visible

_PIPED_WIDTH = 10_000  # columns; tables are as wide as their text, so a pipe never loses the end of a path


class Incomplete(SpatempoError):
    """Part of the work could be done: its document is printed, then this line, and the exit code is 2."""

    def __init__(self, document: object, message: str) -> None:
        super().__init__(message)
        self.document = document


def print_json(document: object) -> None:
    """Prints ``document`` as the one JSON document on stdout; not-a-number becomes null, which JSON can say."""
    print(json.dumps(plain(document), indent=2, allow_nan=False))


def plain(value: object) -> object:
    """``value`` in JSON's own types: paths become text, numpy scalars numbers, arrays and tuples lists, NaN None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # numpy arrays and scalars, tensors, without importing either
        return plain(value.tolist())  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """Prints a table on stdout: numbers to the right, nothing cut off when piped, class names shown as they are.

    Args:
        columns: headings.
        rows: one sequence of cells a row; None is shown as ``-``.
        title: a line above the table.
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
    # a class called "[red]" or ":smile:" is printed as such
    console = Console(file=sys.stdout, width=width, markup=False, emoji=False, highlight=False)
    with console.capture() as drawn:
        console.print(table)
    lines = [line.rstrip() for line in drawn.get().splitlines()]
    print("\n".join(lines).strip("\n"))  # of cells whose control characters are escaped


def print_unreadable(unreadable: Sequence[Mapping[str, object]]) -> None:
    """Lists videos that cannot be read, one line each with the reason; nothing when there are none."""
    if unreadable:
        say(f"{counted(len(unreadable), 'video')} cannot be read:")
        for entry in unreadable:
            say(f"  {entry['path']}: {entry['reason']}")


def counted(number: int, noun: str) -> str:
    """``1 video``, ``2 videos``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def count(value: float | None) -> str | None:
    """A parameter or MAC count for people: 23.86M, 32.70G; None stays None."""
    if value is None:
        return None
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size:
            return f"{value / size:.2f}{unit}"
    return f"{value:g}"


def percent(share: float | None) -> str | None:
    """A share as a percentage with one decimal; None and NaN stay a dash."""
    return None if share is None or math.isnan(share) else f"{100 * share:.1f}%"


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
