"""Types of flags that several verbs share; the metavar is what ``--help`` shows in place of tyro's type."""

from __future__ import annotations

from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg

Checkpoint = Annotated[Positional[str], arg(metavar="CHECKPOINT")]
Data = Annotated[Positional[str], arg(metavar="DATA")]
Name = Annotated[Positional[str], arg(metavar="NAME")]

Text = Annotated[str | None, arg(metavar="TEXT")]
Path = Annotated[str | None, arg(metavar="PATH")]
Count = Annotated[int | None, arg(metavar="N")]
Number = Annotated[float | None, arg(metavar="X")]
Rgb = Annotated[str | None, arg(metavar="R,G,B")]
Options = Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME=VALUE")]
