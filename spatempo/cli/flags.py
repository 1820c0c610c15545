"""Types of flags that several verbs share; the metavar is what ``--help`` shows in place of tyro's type."""

from __future__ import annotations

from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg

from spatempo.evaluation.scoring.protocols import PROTOCOLS
from spatempo.learning.recipes import RECIPES

Checkpoint = Annotated[Positional[str], arg(metavar="CHECKPOINT")]
Data = Annotated[Positional[str], arg(metavar="DATA")]
Name = Annotated[Positional[str], arg(metavar="NAME")]

# for these "default: None" would only say that the recipe, the model or the data decides
Text = Annotated[str | None, arg(metavar="TEXT", help_behavior_hint="")]
Path = Annotated[str | None, arg(metavar="PATH", help_behavior_hint="")]
Count = Annotated[int | None, arg(metavar="N", help_behavior_hint="")]
Number = Annotated[float | None, arg(metavar="X", help_behavior_hint="")]
Rgb = Annotated[str | None, arg(metavar="R,G,B", help_behavior_hint="")]

_NAMED = arg(metavar="NAME", help_behavior_hint="", help=f"the recipe to start from: {', '.join(RECIPES)}.")
Recipe = Annotated[str | None, _NAMED]
_PUBLISHED = arg(metavar="NAME", help_behavior_hint="", help=f"a published test protocol: {', '.join(PROTOCOLS)}.")
Protocol = Annotated[str | None, _PUBLISHED]

# repeatable NAME=VALUE
Options = Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME=VALUE", help_behavior_hint="")]
Fields = Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="FIELD=VALUE", help_behavior_hint="")]
