"""``spatempo doctor``: what is installed, what works, and one fix per problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spatempo.cli.output import print_table
from spatempo.terminal import print_line


@dataclass
class Options:
    """Check this machine: what works, and how to fix what does not.

    Every component is used, not only its version read: decoders decode a small video, the encoder encodes one, and
    each device computes a convolution with a known result. The exit code is 0 even if problems are found.
    """

    json: bool = False
    """print one JSON document."""


def run(options: Options) -> dict[str, Any]:
    """Checks the machine; returns ``python, torch, ..., decoders, devices, engines, problems`` (see `checks`)."""
    from spatempo.cli import checks

    del options  # this command has no settings
    return checks.examine()


def show(document: dict[str, Any]) -> None:
    """Prints one line per component, then each problem with its fix."""
    rows: list[tuple[str, str, str]] = [
        ("spatempo", "yes", document["spatempo"]),
        ("python", "yes", document["python"]),
    ]
    for name in ("torch", "torchvision"):
        rows.append((name, "yes" if document[name] else "no", document[name] or ""))
    for group in ("packages", "decoders", "encoders", "devices", "engines", "machine", "extras"):
        for name, found in document[group].items():
            absent = group == "extras" or found["detail"] == "not installed"
            works = "yes" if found["works"] else ("not installed" if absent else "no")
            rows.append((f"{group[:-1]} {name}" if group in _PLURAL else name, works, found["detail"]))
    print_table(["component", "works", "detail"], rows)
    print_line()
    if not document["problems"]:
        print_line("no problems found")
    for problem in document["problems"]:
        print_line(f"problem: {problem['component']}: {problem['reason']}")
        print_line(f"   fix: {problem['fix']}")


_PLURAL = ("decoders", "encoders", "devices", "engines", "extras")
