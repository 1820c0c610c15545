"""``spatempo data make OUT``: render the generated data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import Positional, arg

from spatempo.cli.flags import Count
from spatempo.cli.output import print_table


@dataclass
class Options:
    """Render the generated data set as real video files.

    Writes OUT/videos/*.mp4 and the manifests OUT/train.csv, OUT/val.csv, OUT/test.csv. The same preset, seed and size
    give the same frames on every machine.
    """

    out: Annotated[Positional[str], arg(metavar="OUT")]
    """the folder to write; it is made."""
    preset: str = "demo"
    """what and how much: tiny (for tests), demo, or one of the larger ones."""
    seed: int = 0
    """another seed, other clips."""
    size: Count = None
    """height and width of the videos in pixels; the preset's if left out."""
    workers: Count = None
    """processes that render; one a core if left out."""
    json: bool = False
    """print one JSON document."""


def run(options: Options) -> dict[str, Any]:
    """Renders; returns ``root, classes, train, val, test``."""
    from spatempo.data.generated.make import make

    return dict(make(options.out, preset=options.preset, seed=options.seed, size=options.size, workers=options.workers))


def show(document: dict[str, Any]) -> None:
    """Prints where the data lies and how many clips each part has."""
    print_table(["key", "value"], [(key, _summary(value)) for key, value in document.items()])


def _summary(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
