"""From words to an option dataclass, with tyro; a usage error becomes one line."""

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

_STYLE = re.compile("\x1b\\[[0-9;]*m|\\[/?bold\\]")  # terminal colours, and the markup tyro leaves in messages
_RULE = re.compile("[─-]{8,}")
_HELP_INDENT = 8  # spaces before the help text of a flag that is missing


def parse(options: type[T], prog: str, words: Sequence[str]) -> T | None:
    """Reads ``words`` into the dataclass ``options``.

    Args:
        options: a dataclass whose fields are the flags, its docstrings their help.
        prog: the command as the user typed it, for example ``"spatempo train"``.
        words: what follows the verb.

    Returns:
        the filled dataclass, or None when ``--help`` was asked for (and printed on stdout).

    Raises:
        SpatempoError: a usage error; names the flag, the problem and ``prog --help``. A number outside its range.
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
    """Refuses a numeric flag outside the range that `spatempo.limits` gives the setting of its name."""
    for name, value in vars(options).items():
        if is_dataclass(value):
            check_ranges(value)
        elif name in LIMITS and isinstance(value, int | float):
            check_number(name, value)


def one_line(box: str) -> str:
    """What a tyro error box says, without its frame: the problem, and the closest flag when tyro offers one.

    >>> one_line('''╭─ Value error ───────────╮
    ... │ Error parsing --top: no x │
    ... │ ───────────────────────── │
    ... │ Argument helptext:        │
    ... ╰───────────────────────────╯''')
    'Error parsing --top: no x'
    """
    inner = [_STYLE.sub("", line).strip("│|╭╮╰╯+\n") for line in box.splitlines()[1:]]
    # after the first horizontal rule or empty line comes help text, which `--help` shows better
    problem: list[str] = []
    while inner and _RULE.fullmatch(inner[0].strip()):  # where the terminal has no box characters
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
    return text or "the command line cannot be read"
