"""``spatempo data make OUT``: render the generated data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import Positional, arg

from spatempo.cli.flags import Count
from spatempo.cli.output import print_table
from spatempo.data.generated.presets import PRESETS
from spatempo.terminal import say


@dataclass
class Options:
    """Render the generated data set as real video files.

    Writes OUT/videos/*.mp4 and the manifests OUT/train.csv, OUT/val.csv, OUT/test.csv. The same preset, seed and size
    give the same frames on every machine.
    """

    out: Annotated[Positional[str], arg(metavar="OUT")]
    """the folder to write; it is made."""
    preset: Annotated[str, arg(metavar="NAME", help=f"what and how much: {', '.join(PRESETS)}.")] = "demo"
    seed: int = 0
    """another seed, other clips."""
    clips_per_class: Count = None
    """training clips of each class, validation and test in proportion; the preset's if left out."""
    size: Count = None
    """height and width of the videos in pixels; the preset's if left out."""
    frames: Count = None
    """frames of each clip; the preset's if left out."""
    workers: Count = None
    """processes that render; one a core if left out."""
    json: bool = False
    """print one JSON document."""


def run(options: Options) -> dict[str, Any]:
    """Renders; returns ``root, classes, train, val, test``."""
    from spatempo.data.generated.make import make_data

    return make_data(
        options.out,
        preset=options.preset,
        seed=options.seed,
        clips_per_class=options.clips_per_class,
        size=options.size,
        frames=options.frames,
        workers=options.workers,
        progress=True,
    )


def show(document: dict[str, Any]) -> None:
    """Prints what lies where, and what to do next."""
    clips = document["clips"]
    print_table(["part", "clips", "manifest"], [(part, clips[part], document[part]) for part in clips])
    say()
    say(f"{len(document['classes'])} classes: {', '.join(document['classes'])}")
    say(f"next: spatempo train {document['train']} --val {document['val']} --model tsm_smallresnet --recipe demo")
