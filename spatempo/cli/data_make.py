"""``spatempo data make OUT``: render the generated data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import Positional, arg

from spatempo.cli.flags import Count
from spatempo.cli.output import print_table
from spatempo.data.generated.presets import PRESETS
from spatempo.terminal import print_line


@dataclass
class Options:
    """Render the generated data set as real video files.

    Writes OUT/videos/*.mp4 and the manifests OUT/train.csv, OUT/val.csv, OUT/test.csv. The same preset, seed and size
    give the same frames on every machine.
    """

    out: Annotated[Positional[str], arg(metavar="OUT")]
    """output folder; it is created if missing."""
    preset: Annotated[str, arg(metavar="NAME", help=f"classes, size and amount of data: {', '.join(PRESETS)}.")] = (
        "demo"
    )
    seed: int = 0
    """random seed; another seed gives other clips."""
    clips_per_class: Count = None
    """training clips per class; validation and test clips are scaled in proportion (default: from the preset)."""
    size: Count = None
    """height and width of the videos in pixels (default: from the preset)."""
    frames: Count = None
    """number of frames per clip (default: from the preset)."""
    workers: Count = None
    """number of rendering processes (default: one per core)."""
    json: bool = False
    """print one JSON document."""


def run(options: Options) -> dict[str, Any]:
    """Renders the data set; returns ``root, classes, train, val, test``."""
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
    """Prints the manifests, the classes and the next command."""
    clips = document["clips"]
    print_table(["part", "clips", "manifest"], [(part, clips[part], document[part]) for part in clips])
    print_line()
    print_line(f"{len(document['classes'])} classes: {', '.join(document['classes'])}")
    print_line(
        f"next: spatempo train {document['train']} --val {document['val']} --model tsm_smallresnet --recipe demo"
    )
