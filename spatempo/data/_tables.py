"""Reading tables of clips, line by line, so that an error can say which line: CSV, published lists, class names."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spatempo.errors import SpatempoError

MOST_BYTES = 256 << 20  # of a table or a file of names: two million clips take half of that
GROUP_COLUMNS = ("group", "scene")  # the first one present is used


@dataclass(frozen=True)
class Row:
    """One line of a table, as written there. `where` is ``file:line``."""

    where: str
    path: str
    label: str
    frames: int | None = None
    group: str | None = None
    family: str | None = None
    pair: str | None = None


def read_csv(file: Path) -> list[Row]:
    """A CSV with a header that names at least ``path`` and ``label``; columns nobody asked for are left alone.

    Raises:
        SpatempoError: no such columns, a row with too few or too many fields, a quote that never closes, an empty path
            or label, a frame count that is not a whole number of 1 or more.
    """
    lines = _csv_lines(file)
    where, header = next(lines, (f"{file}:1", []))
    columns = [name.strip().lower() for name in header]
    for needed in ("path", "label"):
        if needed not in columns:
            found = ", ".join(filter(None, columns)) or "nothing"
            hint = "; separate the columns by commas" if ";" in found else ""
            raise SpatempoError(f"{where}: no column {needed!r} (found: {found}); start with a line path,label{hint}")
    doubled = sorted({name for name in columns if name and columns.count(name) > 1})
    if doubled:
        raise SpatempoError(f"{where}: column {doubled[0]!r} appears twice; remove or rename one")
    group = next((name for name in GROUP_COLUMNS if name in columns), None)

    rows = []
    for where, values in lines:
        if len(values) != len(columns):
            raise SpatempoError(
                f"{where}: {len(values)} fields where the header has {len(columns)} ({','.join(columns)}); "
                'correct the line (a comma inside a name needs "quotes")'
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
    """A published list file: ``path frames label`` a line, `label` a whole number from 0.

    Split from the right, so a path may hold spaces.
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
    """Class names, one a line, in the order of their numbers; empty lines do not count."""
    first: dict[str, int] = {}
    for number, line in enumerate(io.StringIO(_text(file), newline=None), start=1):
        name = clean_name(line)
        if name and name in first:
            raise SpatempoError(f"{file}:{number}: class {name!r} is already on line {first[name]}; remove one")
        if name:
            first[name] = number
    if not first:
        raise SpatempoError(f"{file}: no class names in it; write one a line, or remove the file")
    return tuple(first)


def clean_name(name: str) -> str:
    """A class name without outer spaces, in composed Unicode: macOS hands out folder names decomposed."""
    return unicodedata.normalize("NFC", name.strip())


def shortened(text: str, most: int = 200) -> str:
    """Text to repeat in an error: not more than `most` characters of it."""
    return text if len(text) <= most else text[:most] + "..."


def is_number(text: str) -> bool:
    """Whether this is a whole number from 0, of a size that counts something."""
    return text.isascii() and text.isdigit() and len(text) <= 9


def _csv_lines(file: Path) -> Iterator[tuple[str, list[str]]]:
    """``(file:line, fields)`` of every line that is not empty (a line of nothing but commas is)."""
    reader = csv.reader(io.StringIO(_text(file), newline=""), strict=True, skipinitialspace=True)
    while True:
        start = reader.line_num + 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise SpatempoError(f"{file}:{start}: broken row ({error}); correct its quotes") from None
        if any(value.strip() for value in values):
            yield f"{file}:{start}", values


def _text(file: Path) -> str:
    """The file as text, of at most :data:`MOST_BYTES`; a byte order mark is dropped."""
    try:
        with open(file, "rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise SpatempoError(f"{file}: cannot be read ({error.strerror}); check the path and its permissions") from None
    if len(data) > MOST_BYTES:
        raise SpatempoError(f"{file}: more than {MOST_BYTES >> 20} MiB, the most that a table may have; split it")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SpatempoError(f"{file}:{line}: not UTF-8 text; save the file as UTF-8") from None


def _frame_count(where: str, text: str) -> int:
    if is_number(text) and int(text) >= 1:
        return int(text)
    raise SpatempoError(f"{where}: frames is {shortened(text)!r}; give a whole number of 1 or more")
