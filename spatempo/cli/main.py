"""The ``spatempo`` command: finds the subcommand, loads only its module, and turns what happens into an exit code.

A command is a module with three plain things: ``Options`` (a dataclass, torch-free: the flags, their help and types),
``run(options)`` which does the work and returns the JSON document, and ``show(document)`` which prints it for people.

Exit codes: 0 done; 2 what was given cannot be used (one line on stderr, no traceback); 130 interrupted; 141 the reader
of our output went away. Anything else is a defect of ours and keeps its traceback.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from functools import partial
from typing import Any

from spatempo.errors import SpatempoError
from spatempo.process import set_up
from spatempo.terminal import say, settings_named, shown
from spatempo.version import __version__

# command -> what it does, as `spatempo --help` prints it; the module of "data make" is cli/data_make.py
COMMANDS = {
    "train": "Train a design on labelled videos.",
    "test": "Evaluate a checkpoint on labelled videos.",
    "predict": "Label videos with a checkpoint.",
    "diagnose": "Show what a model sees of time: frames in order, shuffled, reversed, frozen; with a page.",
    "compare": "Train and test several designs alike; table and page.",
    "models": "List the catalogue of designs.",
    "info": "Show one design: parameters, MACs, shapes stage by stage, published figures.",
    "data make": "Render the generated data set as real video files.",
    "data scan": "Open every clip, write a manifest, list what cannot be read and why.",
    "doctor": "Tell what works on this machine, and how to mend what does not.",
}

# errors of a path that somebody gave, or of the disk below it, which no defect of ours makes
_NOT_OURS = (
    *(errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ELOOP, errno.EROFS),
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO),
)
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
READER_GONE = 141  # 128 + SIGPIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one ``spatempo`` command line.

    Args:
        argv: the words after ``spatempo``; those of this process if left out.

    Returns:
        the exit code.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    set_up()
    try:
        code = _dispatch(words)
        sys.stdout.flush()
        return code
    except SpatempoError as error:
        complain(str(error))
        return 2
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # before OSError, of which it is one
        # the interpreter flushes stdout once more at exit; give it somewhere to go
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    except OSError as error:
        if error.errno not in _NOT_OURS or error.filename is None:
            raise
        complain(f"{os.fsdecode(error.filename)}: {error.strerror}; check the path and its permissions")
        return 2


def complain(message: str) -> None:
    """Prints one line on stderr; a line break in the message (a file name may hold one) is shown as ``\\n``."""
    say(f"spatempo: error: {message.strip()}", sys.stderr)


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if words[0] == "--version":
        say(f"spatempo {__version__}")
        return 0
    if words[0] == "data" and words[1:2] in ([], ["-h"], ["--help"]):
        print(_help("data "))
        return 0
    command, rest = _find_command(words)
    return _run_command(command, rest)


def _find_command(words: list[str]) -> tuple[str, list[str]]:
    """Splits ``words`` into a known command of one or two words and its arguments."""
    count = 2 if words[0] == "data" else 1
    command = " ".join(words[:count])
    if command in COMMANDS:
        return command, words[count:]
    if command.startswith("-"):
        raise SpatempoError(
            f"the command comes first, not {command!r}: one of {', '.join(COMMANDS)}; see spatempo --help"
        )
    close = get_close_matches(command, COMMANDS, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"commands are {', '.join(COMMANDS)}"
    raise SpatempoError(f"unknown command {command!r}: {hint} See spatempo --help")


def _run_command(command: str, arguments: list[str]) -> int:
    from spatempo.cli.hints import with_flags
    from spatempo.cli.output import print_json
    from spatempo.cli.parse import parse

    module = importlib.import_module("spatempo.cli." + command.replace(" ", "_"))
    with settings_named(partial(with_flags, options=module.Options)):
        try:
            options = parse(module.Options, f"spatempo {command}", arguments)
            if options is None:  # help was asked for, and printed
                return 0
            document, failure = _work(module, options)
            if _is_first_process():
                if options.json:
                    print_json(document)
                else:
                    module.show(document)
            if failure is not None:
                sys.stdout.flush()
                raise failure
        except SpatempoError as error:
            complain(str(error))
            return 2
    return 0


def _work(module: Any, options: Any) -> tuple[Any, SpatempoError | None]:
    """What a command found, and why it is not all that was asked for (None: it is)."""
    from spatempo.cli.output import Incomplete

    # the one JSON document owns stdout; what libraries print on the way goes to stderr
    with contextlib.redirect_stdout(sys.stderr) if options.json else contextlib.nullcontext(), _visible_warnings():
        try:
            return module.run(options), None
        except Incomplete as error:
            return error.document, error


@contextlib.contextmanager
def _visible_warnings() -> Iterator[None]:
    """Within it a warning that names a file shows control characters of the name escaped, as every other line does."""
    usual = warnings.formatwarning

    def formatted(message: Warning | str, *words: Any) -> str:
        return usual(shown(message), *words)  # pyright: ignore[reportArgumentType]  (text will do)

    warnings.formatwarning = formatted
    try:
        yield
    finally:
        warnings.formatwarning = usual


def _is_first_process() -> bool:
    """Whether this is rank 0: Lightning runs the same command line once per device, and one of them answers."""
    return all(os.environ.get(rank, "0") == "0" for rank in ("RANK", "LOCAL_RANK", "NODE_RANK"))


def _help(prefix: str = "") -> str:
    """The text of ``spatempo --help`` or, with ``prefix`` "data ", of ``spatempo data --help``."""
    commands = {command: text for command, text in COMMANDS.items() if command.startswith(prefix)}
    width = max(len(command) for command in commands)
    lines = [
        f"usage: spatempo {prefix}COMMAND ... [--json]",
        "",
        "Efficient video action recognition: image networks that look along time.",
        "",
        "commands:",
        *(f"  {command:<{width}}  {text}" for command, text in commands.items()),
        "",
        "  --json          print exactly one JSON document on stdout, everything else on stderr",
        "  --version       print the version",
        f"  spatempo {prefix}COMMAND --help shows the flags of a command.",
        "",
        "exit code: 0 done; 2 what was given cannot be used, one line on stderr says what, why and how to mend it.",
    ]
    return "\n".join(lines)
