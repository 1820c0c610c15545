"""The ``spatempo`` command: finds the subcommand, loads only its module, and converts errors to exit codes.

The module of a command has three parts: ``Options`` (a dataclass without torch: the flags, their help and types),
``run(options)``, which does the work and returns the JSON document, and ``show(document)``, which prints it as text.

Exit codes: 0 done; 2 invalid input (one line on stderr, no traceback); 130 interrupted; 141 the reader of the output
closed the pipe. Any other error is a bug of spatempo and keeps its traceback.
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

# command -> its description in `spatempo --help`; the module of "data make" is cli/data_make.py
COMMANDS = {
    "train": "Train a model on labelled videos.",
    "test": "Evaluate a checkpoint on labelled videos.",
    "predict": "Label videos with a checkpoint.",
    "diagnose": "Measure accuracy with frames in order, shuffled, reversed and frozen; write a report page.",
    "compare": "Train and test several models under the same conditions; write a table and a report page.",
    "export": "Write a trained model as an ONNX or OpenVINO file, and compare it with the model.",
    "models": "List the catalogue of models.",
    "info": "Show one model: parameters, MACs, output shape of each stage, published figures.",
    "data make": "Render the generated data set as real video files.",
    "data scan": "Open every clip, write a manifest, and list unreadable clips with the reason.",
    "doctor": "Check this machine: what works, and how to fix what does not.",
}

# errors caused by a path that the user gave, or by the disk, not by a bug
_USER_ERRORS = (
    *(errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ELOOP, errno.EROFS),
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO),
)
INTERRUPTED = 130  # 128 + SIGINT, as in shells
BROKEN_PIPE = 141  # 128 + SIGPIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one ``spatempo`` command line.

    Args:
        argv: the words after ``spatempo``; None: those of this process.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    set_up()
    try:
        code = _dispatch(words)
        sys.stdout.flush()
        return code
    except SpatempoError as error:
        print_error(str(error))
        return 2
    except KeyboardInterrupt:
        print_error("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # a subclass of OSError, so it comes first
        # the interpreter flushes stdout again at exit, so stdout is redirected to the null device
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except OSError as error:
        if error.errno not in _USER_ERRORS or error.filename is None:
            raise
        print_error(f"{os.fsdecode(error.filename)}: {error.strerror}; check the path and its permissions")
        return 2


def print_error(message: str) -> None:
    """Prints one line on stderr; a line break in the message (from a file name) is shown as ``\\n``."""
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
            f"{command!r}: the command must come first: one of {', '.join(COMMANDS)}; see spatempo --help"
        )
    close = get_close_matches(command, COMMANDS, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(COMMANDS)};"
    raise SpatempoError(f"unknown command {command!r}: {hint} See spatempo --help")


def _run_command(command: str, arguments: list[str]) -> int:
    from spatempo.cli.hints import with_flags
    from spatempo.cli.output import print_json
    from spatempo.cli.parse import parse

    module = importlib.import_module("spatempo.cli." + command.replace(" ", "_"))
    with settings_named(partial(with_flags, options=module.Options)):
        try:
            options = parse(module.Options, f"spatempo {command}", arguments)
            if options is None:  # --help was given and has been printed
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
            print_error(str(error))
            return 2
    return 0


def _work(module: Any, options: Any) -> tuple[Any, SpatempoError | None]:
    """Runs a command; returns its document, and an error if the result is incomplete, else None."""
    from spatempo.cli.output import Incomplete

    # stdout is only for the JSON document, so output of libraries goes to stderr
    with contextlib.redirect_stdout(sys.stderr) if options.json else contextlib.nullcontext(), _visible_warnings():
        try:
            return module.run(options), None
        except Incomplete as error:
            return error.document, error


@contextlib.contextmanager
def _visible_warnings() -> Iterator[None]:
    """Context in which control characters in warnings (from file names) are escaped, as in all other output."""
    usual = warnings.formatwarning

    def formatted(message: Warning | str, *words: Any) -> str:
        return usual(shown(message), *words)  # pyright: ignore[reportArgumentType]  (text is accepted too)

    warnings.formatwarning = formatted
    try:
        yield
    finally:
        warnings.formatwarning = usual


def _is_first_process() -> bool:
    """Whether this is rank 0: Lightning runs the same command line once per device, and only one prints the result."""
    return all(os.environ.get(rank, "0") == "0" for rank in ("RANK", "LOCAL_RANK", "NODE_RANK"))


def _help(prefix: str = "") -> str:
    """Text of ``spatempo --help`` or, with ``prefix`` "data ", of ``spatempo data --help``."""
    commands = {command: text for command, text in COMMANDS.items() if command.startswith(prefix)}
    width = max(len(command) for command in commands)
    lines = [
        f"usage: spatempo {prefix}COMMAND ... [--json]",
        "",
        "Efficient video action recognition: video networks made of 2D image networks and temporal operators.",
        "",
        "commands:",
        *(f"  {command:<{width}}  {text}" for command, text in commands.items()),
        "",
        "  --json          print exactly one JSON document on stdout, everything else on stderr",
        "  --version       print the version",
        f"  spatempo {prefix}COMMAND --help shows the flags of a command.",
        "",
        "exit code: 0 done; 2 invalid input: one line on stderr states the problem and a fix.",
    ]
    return "\n".join(lines)
