"""What a design is, and how one is entered: the one thing that a file with a new operator needs from the catalogue."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Design:
    """A way to plug operators into a 2D backbone.

    Attributes:
        name: for example ``tsm``.
        plug: ``(net, call, source, **options)``, changes ``net`` in place.
        source: the paper.
        options: names and defaults of the options that ``plug`` takes.
    """

    name: str
    plug: Callable[..., None]
    source: str
    options: dict[str, Any]


DESIGNS: dict[str, Design] = {}


def register_design(name: str, *, source: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorator: enters a function ``plug(net, call, source, *, causal=False, ...)`` as a design.

    Its keyword-only parameters are the design's options.
    """

    def register(plug: Callable[..., None]) -> Callable[..., None]:
        parameters = inspect.signature(plug).parameters.values()
        options = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        DESIGNS[name] = Design(name, plug, source, options)
        return plug

    return register
