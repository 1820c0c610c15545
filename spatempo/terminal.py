"""Safe terminal output of external text (file names, class names, messages of libraries)."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

# C0 and C1 controls, surrogates (bytes of a file name that are not valid UTF-8), line separators
_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")
# characters that reorder the text around them: "gpj.exe" would be displayed as "exe.jpg"
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


_rename: Callable[[str], str] | None = None


def visible(text: object) -> str:
    r"""``str(text)`` with terminal control characters escaped as in Python.

    >>> print(visible("red\x1b[31m\nclip"))
    red\x1b[31m\nclip
    """
    text = str(text)
    if text.isascii() and text.isprintable():  # true for most texts
        return text
    return "".join(_escaped(c) if c in _BIDI or unicodedata.category(c) in _CATEGORIES else c for c in text)


def safe_line(text: object) -> str:
    """A line as it is printed: escaped by :func:`visible`, with settings renamed as in :func:`settings_named`."""
    text = str(text)
    return visible(text if _rename is None else _rename(text))


def print_line(text: object = "", file: TextIO | None = None) -> None:
    """Prints one line on stdout or `file`, processed by :func:`safe_line`."""
    print(safe_line(text), file=sys.stdout if file is None else file)


@contextmanager
def settings_named(rename: Callable[[str], str]) -> Iterator[None]:
    """Context in which `rename` is applied to every line; the command line replaces Python arguments by flags."""
    global _rename
    before, _rename = _rename, rename
    try:
        yield
    finally:
        _rename = before


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
