"""``spatempo doctor``: what is installed, what really works, and one mend line per failure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spatempo.cli.output import print_table
from spatempo.terminal import say


@dataclass
class Options:
    """Tell what works on this machine, and how to mend what does not.

    Nothing is taken from version numbers alone: decoders decode, the encoder encodes, devices compute and are compared
    with plain arithmetic. Problems found are the answer, not a failure: the exit code is 0.
    """

    json: bool = False
    """print one JSON document."""


def run(options: Options) -> dict[str, Any]:
    """Examines the machine; returns ``python, torch, ..., decoders, devices, problems`` (see `checks`)."""
    from spatempo.cli import checks

    del options  # nothing to choose
    return checks.examine()


def show(document: dict[str, Any]) -> None:
    """Prints one line per thing, then one mend line per problem."""
    rows: list[tuple[str, str, str]] = [
        ("spatempo", "yes", document["spatempo"]),
        ("python", "yes", document["python"]),
    ]
    for name in ("torch", "torchvision"):
        rows.append((name, "yes" if document[name] else "no", document[name] or ""))
    for group in ("packages", "decoders", "encoders", "devices", "machine", "extras"):
        for name, found in document[group].items():
            works = "yes" if found["works"] else ("not installed" if group == "extras" else "no")
            rows.append((f"{group[:-1]} {name}" if group in _PLURAL else name, works, found["detail"]))
    print_table(["what", "works", "detail"], rows)
    say()
    if not document["problems"]:
        say("no problems found")
    for problem in document["problems"]:
        say(f"problem: {problem['what']}: {problem['reason']}")
        say(f"   fix: {problem['mend']}")


_PLURAL = ("decoders", "encoders", "devices", "extras")
