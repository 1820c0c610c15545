"""``spatempo predict CHECKPOINT VIDEO --timeline``: find actions and their times in a long video."""

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
from spatempo.terminal import print_line

Labels = Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="LABEL", help_behavior_hint="(repeatable)")]

LENGTHS = {
    "given": "",
    "training": ", the length of its training videos",
    "frames": ", the number of frames of its training clips",
    "guess": " (default, because the checkpoint does not contain the length of its training videos; set --window)",
    "video": ", the whole video",
}


@dataclass
class TimelineOptions:
    """For one long video. The other flags in this group require --timeline."""

    timeline: bool = False
    """find actions in one long video with a sliding window, and write segments.csv, .json and .srt."""
    window: Number = None
    """length of the window in seconds (default: length of the training videos, or 2 if the checkpoint does not contain
    it; for dense sampling: 64 frames)."""
    stride: Number = None
    """seconds between windows (default: a quarter of the window)."""
    min_score: Number = None
    """smallest score of a label for a segment (default: 0.5)."""
    min_length: Number = None
    """shortest segment in seconds; shorter gaps are closed (default: half a window)."""
    background: Labels = ()
    """label of the background class (no action): it gives no segment."""
    batch_size: Count = None
    """windows per forward pass (default: 4)."""
    out: PathFlag = None
    """folder for the segments (default: runs/timeline/VIDEO)."""
    annotate: PathFlag = None
    """also write a copy of the video with the labels drawn on it, without sound, to this file."""

    def check_unused(self) -> None:
        """Raises an error if one of these flags is given without ``--timeline``."""
        given = next((name for name, value in vars(self).items() if value not in (None, (), False)), None)
        if given is not None:
            raise SpatempoError(f"--{given.replace('_', '-')} is for long videos: add --timeline, or drop this flag")


def run_timeline(
    checkpoint: str, video: str, device: str, options: TimelineOptions, *, timeout: float
) -> dict[str, Any]:
    """Finds and writes the segments, and draws them with ``--annotate``; returns the timeline and ``files`` (paths).

    Raises:
        SpatempoError: see :func:`spatempo.evaluation.longvideo.timeline.timeline`; or a file cannot be written.
    """
    from spatempo.evaluation.longvideo.timeline import timeline
    from spatempo.evaluation.longvideo.timeline_files import captions, write_timeline
    from spatempo.runtime.load import load_classifier
    from spatempo.video.annotate import annotate, check_target

    # fails before the video is processed
    folder = Path("runs", "timeline", Path(video).stem) if options.out is None else Path(options.out)
    check_folder(folder)
    if options.annotate is not None:
        check_target(options.annotate, video)
        check_folder(Path(options.annotate).parent)
    model = load_classifier(checkpoint, device)
    settings = {name: getattr(options, name) for name in ("window", "stride", "min_score", "min_length", "batch_size")}
    given = {name: value for name, value in settings.items() if value is not None}
    with _progress_bar("scoring") as report:
        found = timeline(model, video, background=options.background, report=report, timeout=timeout, **given)
    files = write_timeline(found, folder)
    if options.annotate is not None:
        with _progress_bar("drawing") as report:
            files["annotated"] = str(annotate(video, captions(found), options.annotate, report, timeout))
    return found.to_json() | {"files": files}


def show_timeline(document: dict[str, Any]) -> None:
    """Prints the segments, the settings used, and the files written."""
    rows = [(_clock(s["start"]), _clock(s["end"]), s["label"], percent(s["score"])) for s in document["segments"]]
    if rows:
        print_table(["from", "to", "label", "score"], rows)
        print_line()
    print_line(
        f"{counted(len(rows), 'segment')} of at least {document['min_length']:g} s and score {document['min_score']:g} "
        f"in {_clock(document['duration'])}; windows of {document['window']:g} s every {document['stride']:g} s"
        f"{LENGTHS[document['window_from']]}"
    )
    print_line("written: " + ", ".join(document["files"].values()))


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds, 2), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{seconds:05.2f}"


@contextmanager
def _progress_bar(task: str) -> Iterator[Callable[[float, float], None]]:
    """Yields a function of (seconds of video done, total seconds) that draws a progress bar on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn(task), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), TextColumn("left"))
    bar = Progress(*columns, console=Console(file=sys.stderr))
    number = bar.add_task("", total=None)

    def report(done: float, total: float) -> None:
        bar.start()  # does nothing if it is already running
        bar.update(number, completed=done, total=total)

    try:
        yield report
        bar.update(number, completed=bar.tasks[0].total or 0)
    finally:
        if bar.live.is_started:  # otherwise an error before any work would print an empty line
            bar.stop()
