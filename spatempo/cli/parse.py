"""Parses the command line into a dataclass with tyro. A usage error becomes one line."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Sequence
from dataclasses import is_dataclass
from typing import TypeVar

import tyro

from spatempo.cli.values import join_rgb
from spatempo.errors import SpatempoError
from spatempo.limits import LIMITS, check_number

T = TypeVar("T")

_STYLE = re.compile("\x1b\\[[0-9;]*m|\\[/?bold\\]")  # terminal colours, and markup that tyro leaves in messages
_RULE = re.compile("[─-]{8,}")
_HELP_INDENT = 8  # spaces before the help text of a missing flag


def parse(options: type[T], prog: str, words: Sequence[str]) -> T | None:
    """Parses ``words`` into the dataclass ``options``.

    Args:
        options: a dataclass; its fields are the flags, their docstrings are the help texts.
        prog: the command as the user typed it, for example ``"spatempo train"``.
        words: the arguments after the command.

    Returns:
        The filled dataclass, or None if ``--help`` was given (the help is printed on stdout).

    Raises:
        SpatempoError: a usage error (the message names the flag, the problem and ``prog --help``), or a number outside
            its range.
    """
    boxes = io.StringIO()
    try:
        with contextlib.redirect_stderr(boxes):
            config = (tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes)
            parsed = tyro.cli(options, prog=prog, args=join_rgb(words), config=config)
    except SystemExit as end:
        if not end.code:
            return None
        raise SpatempoError(f"{one_line(boxes.getvalue())}; see {prog} --help") from None
    check_ranges(parsed)
    return parsed


def check_ranges(options: object) -> None:
    """Raises an error if a numeric flag is outside the range of `spatempo.limits` for the setting of this name."""
    for name, value in vars(options).items():
        if is_dataclass(value):
            check_ranges(value)
        elif name in LIMITS and isinstance(value, int | float):
            check_number(name, value)


def one_line(box: str) -> str:
    """Text of a tyro error box without its frame: the problem, and the closest flag if tyro suggests one.

    >>> one_line('''╭─ Value error ───────────╮
    ... │ Error parsing --top: no x │
    ... │ ───────────────────────── │
    ... │ Argument helptext:        │
    ... ╰───────────────────────────╯''')
    'Error parsing --top: no x'
    """
    inner = [_STYLE.sub("", line).strip("│|╭╮╰╯+\n") for line in box.splitlines()[1:]]
    # the help text after the first horizontal line or empty line is dropped; `--help` shows it better
    problem: list[str] = []
    while inner and _RULE.fullmatch(inner[0].strip()):  # for terminals without box characters
        inner.pop(0)
    rest = iter(inner)
    for line in rest:
        if not line.strip() or _RULE.fullmatch(line.strip()):
            break
        if len(line) - len(line.lstrip()) < _HELP_INDENT:
            problem.append(line.strip())
    text = " ".join(problem).rstrip(".")
    for line in rest:
        if "Perhaps you meant" in line:
            text += f" (did you mean {' '.join(next(rest, '').split()[:1])}?)"
            break
    return text or "invalid command line"
