"""``spatempo predict CHECKPOINT VIDEO...``: label videos."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from spatempo.cli.flags import Checkpoint
from spatempo.cli.output import Incomplete, percent, print_table
from spatempo.cli.predict_timeline import TimelineOptions, run_timeline, show_timeline
from spatempo.data._paths import find_clips
from spatempo.errors import SpatempoError, VideoError
from spatempo.video._address import TIMEOUT, is_address


@dataclass
class Options:
    """Label videos with a checkpoint.

    A folder stands for the videos below it; a folder of images is one video. A video that cannot be read is reported
    with its reason and does not lose the others; the exit code is then 2.
    """

    checkpoint: Checkpoint
    """a checkpoint folder, such as runs/demo/tsm/best."""
    videos: Annotated[Positional[tuple[str, ...]], arg(metavar="VIDEO [VIDEO ...]", help_behavior_hint="(required)")]
    """video files, addresses PyAV can open, folders of videos or of frames."""
    top: int = 5
    """how many labels a video gets."""
    clips: int = 1
    """clips taken over the length of every video, their scores averaged."""
    crops: int = 1
    """squares cut out of every frame, also averaged: 1 (middle), 3 (left, middle, right) or 10 (with mirror images)."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps."""
    timeout: float = TIMEOUT
    """seconds to wait for an address: to open it, to seek in it, and for each packet. Local files are not timed."""
    timeline: TimelineOptions = field(default_factory=TimelineOptions)
    json: bool = False
    """print one JSON document."""


def run(options: Options) -> list[dict[str, Any]] | dict[str, Any]:
    """Labels every video; returns ``[{video, predictions}]``, with ``error`` instead for one that cannot be read.

    With ``--timeline``: see :func:`spatempo.cli.predict_timeline.run_timeline`.

    Raises:
        SpatempoError: no video given, an empty folder, no checkpoint.
        Incomplete: some videos could not be read; carries the document with the others.
    """
    if not options.videos:
        raise SpatempoError("no video given: spatempo predict CHECKPOINT VIDEO...")
    if options.timeline.timeline:
        if len(options.videos) != 1 or options.clips != 1 or options.crops != 1:
            raise SpatempoError("--timeline takes one video and shows its windows as one clip, one crop each")
        return run_timeline(
            options.checkpoint, options.videos[0], options.device, options.timeline, timeout=options.timeout
        )
    options.timeline.check_unused()
    videos = [video for given in options.videos for video in expand(given)]

    from spatempo.device import pick_device
    from spatempo.evaluation.scoring.predict import predict
    from spatempo.models.checkpoint import load

    model = load(options.checkpoint, device=str(pick_device(options.device)))
    document: list[dict[str, Any]] = []
    for video in videos:
        try:
            labels = predict(
                model, video, top=options.top, clips=options.clips, crops=options.crops, timeout=options.timeout
            )
            document.append({"video": video, "predictions": labels})
        except VideoError as error:
            document.append({"video": video, "predictions": [], "error": error.reason})
    broken = [entry for entry in document if "error" in entry]
    if broken:
        raise Incomplete(document, _say(broken, len(document)))
    return document


def _say(broken: list[dict[str, Any]], videos: int) -> str:
    """The error line: the reason where there is one video, else how many have one in the table or document."""
    files = any(not is_address(entry["video"]) for entry in broken)
    fix = "; fix or leave out what `data scan` lists" if files else ""
    if videos == 1:
        return f"{broken[0]['video']}: {broken[0]['error']}"
    return f"{len(broken)} of {videos} videos cannot be read, each named above with its reason{fix}"


def expand(given: str) -> list[str]:
    """The videos that one word of the command line stands for, in order of their names.

    Raises:
        SpatempoError: a folder with neither videos nor frames in it.
    """
    folder = Path(given)
    if "://" in given or not folder.is_dir():
        return [given]
    if videos := [str(clip) for clip in find_clips(folder)]:
        return videos
    raise SpatempoError(f"{given}: a folder with no video and no frames in it; name the folder that holds the files")


def show(document: list[dict[str, Any]] | dict[str, Any]) -> None:
    """Prints one table: a video's labels below each other, or the segments of a timeline."""
    if isinstance(document, dict):
        return show_timeline(document)
    rows: list[tuple[object, ...]] = []
    for entry in document:
        if "error" in entry and len(document) > 1:  # of a single video the error line says it all
            rows.append((entry["video"], f"cannot be read: {entry['error']}", None))
        for rank, guess in enumerate(entry["predictions"]):
            rows.append((entry["video"] if rank == 0 else "", guess["label"], percent(guess["score"])))
    if rows:
        print_table(["video", "label", "score"], rows)
