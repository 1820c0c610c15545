"""Tables that a program writes into a Markdown file, between two comment lines that stand there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spatempo.errors import SpatempoError
from spatempo.files import write_whole


def put_into(file: Path, name: str, text: str) -> None:
    """Puts a text between ``<!-- NAME -->`` and ``<!-- end of NAME -->``.

    Raises:
        SpatempoError: the file, or the lines in it, are not there.
    """
    before, after = around(file, name)
    begin, end = marks(name)
    write_whole(file, f"{before}{begin}\n{text}{end}{after}")


def around(file: Path, name: str) -> tuple[str, str]:
    """What stands before and after that place; call it early, so that a missing place is told before the work."""
    begin, end = marks(name)
    try:
        before, found, rest = file.read_text(encoding="utf-8").partition(begin)
    except OSError as error:
        raise SpatempoError(f"{file}: cannot be read ({error.strerror}); give a Markdown file") from None
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SpatempoError(f"{file}: has no place for the table; put the lines {begin} and {end} there")
    return before, after


def table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is its head."""
    head, *body = rows
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *body))


def marks(name: str) -> tuple[str, str]:
    """The two lines."""
    return f"<!-- {name} -->", f"<!-- end of {name} -->"
