"""Flag types shared by several commands. The metavar replaces tyro's type name in ``--help``."""

from __future__ import annotations

from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg

from spatempo.evaluation.scoring.protocols import PROTOCOLS
from spatempo.learning.recipes import RECIPES

Checkpoint = Annotated[Positional[str], arg(metavar="CHECKPOINT")]
Data = Annotated[Positional[str], arg(metavar="DATA")]
Name = Annotated[Positional[str], arg(metavar="NAME")]

# their help text describes the default (recipe, model or data), so tyro's "default: None" is hidden
Text = Annotated[str | None, arg(metavar="TEXT", help_behavior_hint="")]
Path = Annotated[str | None, arg(metavar="PATH", help_behavior_hint="")]
Count = Annotated[int | None, arg(metavar="N", help_behavior_hint="")]
Number = Annotated[float | None, arg(metavar="X", help_behavior_hint="")]
Rgb = Annotated[str | None, arg(metavar="R,G,B", help_behavior_hint="")]

_NAMED = arg(metavar="NAME", help_behavior_hint="", help=f"recipe to start from: {', '.join(RECIPES)}.")
Recipe = Annotated[str | None, _NAMED]
_PUBLISHED = arg(metavar="NAME", help_behavior_hint="", help=f"published test protocol: {', '.join(PROTOCOLS)}.")
Protocol = Annotated[str | None, _PUBLISHED]

# repeatable NAME=VALUE
Options = Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME=VALUE", help_behavior_hint="")]
Fields = Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="FIELD=VALUE", help_behavior_hint="")]
