"""Write generated tables into a Markdown file, between two comment lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spatempo.errors import SpatempoError
from spatempo.files import write_atomic


def insert_between_marks(file: Path, name: str, text: str) -> None:
    """Replaces the text between ``<!-- NAME -->`` and ``<!-- end of NAME -->``.

    Raises:
        SpatempoError: the file cannot be read, or it does not contain these lines.
    """
    before, after = split_at_marks(file, name)
    begin, end = marks(name)
    write_atomic(file, f"{before}{begin}\n{text}{end}{after}")


def split_at_marks(file: Path, name: str) -> tuple[str, str]:
    """Returns the text before and after the marks. Call it early: a file without marks then fails before the work."""
    begin, end = marks(name)
    try:
        before, found, rest = file.read_text(encoding="utf-8").partition(begin)
    except OSError as error:
        raise SpatempoError(f"{file}: cannot be read ({error.strerror}); give a Markdown file") from None
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SpatempoError(f"{file}: has no marks for the table; add the lines {begin} and {end}")
    return before, after


def table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is its header."""
    head, *body = rows
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *body))


def marks(name: str) -> tuple[str, str]:
    """The comment lines before and after the table."""
    return f"<!-- {name} -->", f"<!-- end of {name} -->"
