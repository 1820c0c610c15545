"""Text from outside (file names, class names, messages of libraries) made safe to print on a terminal."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

# C0 and C1 controls, surrogates (bytes of a file name that are not UTF-8, which no terminal takes), line separators
_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")
# what reorders the text around it: "gpj.exe" would read "exe.jpg"
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


_rename: Callable[[str], str] | None = None


def visible(text: object) -> str:
    r"""``str(text)`` with every character that would act on the terminal written as Python escapes it.

    >>> print(visible("red\x1b[31m\nclip"))
    red\x1b[31m\nclip
    """
    text = str(text)
    if text.isascii() and text.isprintable():  # nearly every text
        return text
    return "".join(_escaped(c) if c in _BIDI or unicodedata.category(c) in _CATEGORIES else c for c in text)


def shown(text: object) -> str:
    """A line as it is printed: :func:`visible`, and with the names that settings have in the program that runs."""
    text = str(text)
    return visible(text if _rename is None else _rename(text))


def say(text: object = "", file: TextIO | None = None) -> None:
    """Prints one line, :func:`shown`, on stdout or on `file`."""
    print(shown(text), file=sys.stdout if file is None else file)


@contextmanager
def settings_named(rename: Callable[[str], str]) -> Iterator[None]:
    """Within it lines go through `rename`: the command line puts flags where messages name Python arguments."""
    global _rename
    before, _rename = _rename, rename
    try:
        yield
    finally:
        _rename = before


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
