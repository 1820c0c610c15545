"""Reads tables of clips (CSV, published lists, class names); errors name the line."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spatempo.errors import SpatempoError

MOST_BYTES = 256 << 20  # largest table or file of names; two million clips need half of this
GROUP_COLUMNS = ("group", "scene")  # the first one present is used


@dataclass(frozen=True)
class Row:
    """One line of a table, unchanged. `where` is ``file:line``."""

    where: str
    path: str
    label: str
    frames: int | None = None
    group: str | None = None
    family: str | None = None
    pair: str | None = None


def read_csv(file: Path) -> list[Row]:
    """Reads a CSV with a header that has at least ``path`` and ``label``; unknown columns are ignored.

    Raises:
        SpatempoError: a missing column, a row with too few or too many fields, an unclosed quote, an empty path or
            label, or a frame count that is not a whole number of at least 1.
    """
    lines = _csv_lines(file)
    where, header = next(lines, (f"{file}:1", []))
    columns = [name.strip().lower() for name in header]
    for needed in ("path", "label"):
        if needed not in columns:
            found = ", ".join(filter(None, columns)) or "nothing"
            hint = "; separate the columns by commas" if ";" in found else ""
            raise SpatempoError(f"{where}: no column {needed!r} (found: {found}); make path,label the first line{hint}")
    doubled = sorted({name for name in columns if name and columns.count(name) > 1})
    if doubled:
        raise SpatempoError(f"{where}: column {doubled[0]!r} appears twice; remove or rename one")
    group = next((name for name in GROUP_COLUMNS if name in columns), None)

    rows = []
    for where, values in lines:
        if len(values) != len(columns):
            raise SpatempoError(
                f"{where}: {len(values)} fields, but the header has {len(columns)} ({','.join(columns)}); "
                'correct the line (put names with commas in "quotes")'
            )
        cell = dict(zip(columns, (value.strip() for value in values), strict=True))
        for needed in ("path", "label"):
            if not cell[needed]:
                raise SpatempoError(f"{where}: the {needed} is empty; fill it in or remove the line")
        rows.append(
            Row(
                where,
                cell["path"],
                clean_name(cell["label"]),
                _frame_count(where, cell["frames"]) if cell.get("frames") else None,
                *(cell.get(name) or None if name else None for name in (group, "family", "pair")),
            )
        )
    return rows


def read_list(file: Path) -> list[Row]:
    """Reads a published list file: ``path frames label`` per line, `label` a whole number from 0.

    Lines are split from the right, so a path may contain spaces.
    """
    rows = []
    for number, line in enumerate(io.StringIO(_text(file), newline=None), start=1):
        if not line.strip():
            continue
        where = f"{file}:{number}"
        fields = line.rsplit(maxsplit=2)
        if len(fields) != 3:
            raise SpatempoError(f"{where}: {shortened(line.strip())!r} is not 'path frames label'; correct the line")
        path, frames, label = fields
        if not is_number(label):
            raise SpatempoError(
                f"{where}: label {shortened(label)!r} is not a whole number from 0; a line is 'path frames label'"
            )
        rows.append(Row(where, path.strip(), label, _frame_count(where, frames)))
    return rows


def read_names(file: Path) -> tuple[str, ...]:
    """Reads class names, one per line, in the order of their numbers; empty lines are ignored."""
    first: dict[str, int] = {}
    for number, line in enumerate(io.StringIO(_text(file), newline=None), start=1):
        name = clean_name(line)
        if name and name in first:
            raise SpatempoError(f"{file}:{number}: class {name!r} is already on line {first[name]}; remove one")
        if name:
            first[name] = number
    if not first:
        raise SpatempoError(f"{file}: no class names in it; add one per line, or remove the file")
    return tuple(first)


def clean_name(name: str) -> str:
    """Returns a class name without outer spaces, in composed Unicode (macOS returns folder names decomposed)."""
    return unicodedata.normalize("NFC", name.strip())


def shortened(text: str, most: int = 200) -> str:
    """Returns at most `most` characters of a text, for an error message."""
    return text if len(text) <= most else text[:most] + "..."


def is_number(text: str) -> bool:
    """Whether the text is a whole number from 0, with at most 9 digits."""
    return text.isascii() and text.isdigit() and len(text) <= 9


def _csv_lines(file: Path) -> Iterator[tuple[str, list[str]]]:
    """Yields ``(file:line, fields)`` of every line that is not empty (a line with only commas is empty)."""
    reader = csv.reader(io.StringIO(_text(file), newline=""), strict=True, skipinitialspace=True)
    while True:
        start = reader.line_num + 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise SpatempoError(f"{file}:{start}: invalid row ({error}); correct its quotes") from None
        if any(value.strip() for value in values):
            yield f"{file}:{start}", values


def _text(file: Path) -> str:
    """Returns the text of a file of at most :data:`MOST_BYTES`, without a byte order mark."""
    try:
        with open(file, "rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise SpatempoError(f"{file}: cannot be read ({error.strerror}); check the path and its permissions") from None
    if len(data) > MOST_BYTES:
        raise SpatempoError(f"{file}: more than {MOST_BYTES >> 20} MiB, the largest size of a table; split it")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SpatempoError(f"{file}:{line}: not UTF-8 text; save the file as UTF-8") from None


def _frame_count(where: str, text: str) -> int:
    if is_number(text) and int(text) >= 1:
        return int(text)
    raise SpatempoError(f"{where}: frames is {shortened(text)!r}; give a whole number of 1 or more")
