"""``spatempo predict CHECKPOINT VIDEO --timeline``: what happens when in a long video."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import UseAppendAction, arg

from spatempo.cli.flags import Count, Number
from spatempo.cli.flags import Path as PathFlag
from spatempo.cli.output import counted, percent, print_table
from spatempo.errors import SpatempoError
from spatempo.files import check_folder
from spatempo.terminal import say

Labels = Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="LABEL", help_behavior_hint="(repeatable)")]

LENGTHS = {
    "given": "",
    "training": ", as long as the videos it was trained on",
    "frames": ", the frames of its training clips",
    "guess": " (a guess: the checkpoint does not say how long its training videos were; set --window)",
    "video": ", all of the video",
}


@dataclass
class TimelineOptions:
    """For one long video; the other flags here count only with --timeline."""

    timeline: bool = False
    """slide over one long video instead, and write what happens when: segments.csv, .json and .srt."""
    window: Number = None
    """seconds the network sees at a time; if left out, as long as its training videos (2 where the checkpoint does not
    say; dense sampling: its 64 frames)."""
    stride: Number = None
    """seconds between windows; a quarter of the window if left out."""
    min_score: Number = None
    """no segment where no label scores this much; 0.5 if left out."""
    min_length: Number = None
    """seconds below which a segment, or a gap in one, does not count; half a window if left out."""
    background: Labels = ()
    """a label that means that nothing happens: it makes no segment."""
    batch_size: Count = None
    """windows scored at a time; 4 if left out."""
    out: PathFlag = None
    """folder for the segments; runs/timeline/VIDEO if left out."""
    annotate: PathFlag = None
    """also write the video with the labels drawn on it, without sound, to this file."""

    def check_unused(self) -> None:
        """Without ``--timeline``, none of the others may be given."""
        given = next((name for name, value in vars(self).items() if value not in (None, (), False)), None)
        if given is not None:
            raise SpatempoError(f"--{given.replace('_', '-')} is for long videos: add --timeline, or leave it out")


def run_timeline(
    checkpoint: str, video: str, device: str, options: TimelineOptions, *, timeout: float
) -> dict[str, Any]:
    """Finds, writes and, if asked, draws the segments; returns the timeline and ``files``, the paths written.

    Raises:
        SpatempoError: what :func:`spatempo.evaluation.longvideo.timeline.timeline` refuses; a file that cannot be
            written.
    """
    from spatempo.device import pick_device
    from spatempo.evaluation.longvideo.timeline import timeline
    from spatempo.evaluation.longvideo.timeline_files import captions, write_timeline
    from spatempo.models.checkpoint import load
    from spatempo.video.annotate import annotate, check_target

    # before the work, not after it
    folder = Path("runs", "timeline", Path(video).stem) if options.out is None else Path(options.out)
    check_folder(folder)
    if options.annotate is not None:
        check_target(options.annotate, video)
        check_folder(Path(options.annotate).parent)
    model = load(checkpoint, device=str(pick_device(device)))
    asked = {name: getattr(options, name) for name in ("window", "stride", "min_score", "min_length", "batch_size")}
    given = {name: value for name, value in asked.items() if value is not None}
    with _bar("looking") as report:
        found = timeline(model, video, background=options.background, report=report, timeout=timeout, **given)
    files = write_timeline(found, folder)
    if options.annotate is not None:
        with _bar("drawing") as report:
            files["annotated"] = str(annotate(video, captions(found), options.annotate, report, timeout))
    return found.to_json() | {"files": files}


def show_timeline(document: dict[str, Any]) -> None:
    """Prints the segments, what they were found with, and where they were written."""
    rows = [(_clock(s["start"]), _clock(s["end"]), s["label"], percent(s["score"])) for s in document["segments"]]
    if rows:
        print_table(["from", "to", "label", "score"], rows)
        say()
    say(
        f"{counted(len(rows), 'segment')} of at least {document['min_length']:g} s and score {document['min_score']:g} "
        f"in {_clock(document['duration'])}; windows of {document['window']:g} s every {document['stride']:g} s"
        f"{LENGTHS[document['window_from']]}"
    )
    say("written: " + ", ".join(document["files"].values()))


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds, 2), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{seconds:05.2f}"


@contextmanager
def _bar(task: str) -> Iterator[Callable[[float, float], None]]:
    """A function of (seconds of video done, in all) that, once called, draws a bar with the time left on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn(task), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), TextColumn("left"))
    bar = Progress(*columns, console=Console(file=sys.stderr))
    number = bar.add_task("", total=None)

    def report(done: float, total: float) -> None:
        bar.start()  # nothing if it runs already
        bar.update(number, completed=done, total=total)

    try:
        yield report
        bar.update(number, completed=bar.tasks[0].total or 0)
    finally:
        if bar.live.is_started:  # else even an error before any work would come with an empty line
            bar.stop()
