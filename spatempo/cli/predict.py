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

    A folder is replaced by all videos in it; a folder of images is one video. An unreadable video is reported with the
    reason, and the other videos are still labelled. The exit code is then 2.
    """

    checkpoint: Checkpoint
    """a checkpoint folder, such as runs/demo/tsm/best, or an exported file (.onnx, or an OpenVINO folder)."""
    videos: Annotated[Positional[tuple[str, ...]], arg(metavar="VIDEO [VIDEO ...]", help_behavior_hint="(required)")]
    """video files, URLs that PyAV can open, folders of videos or of frames."""
    top: int = 5
    """number of labels per video."""
    clips: int = 1
    """clips per video, spread over its length; their scores are averaged."""
    crops: int = 1
    """crops per frame, averaged as well: 1 (centre), 3 (left, centre, right) or 10 (with mirrored crops)."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps."""
    timeout: float = TIMEOUT
    """longest wait for a URL in seconds (opening, seeking, each packet). Local files have no limit."""
    timeline: TimelineOptions = field(default_factory=TimelineOptions)
    json: bool = False
    """print one JSON document."""


def run(options: Options) -> list[dict[str, Any]] | dict[str, Any]:
    """Labels every video; returns ``[{video, predictions}]``, with an additional ``error`` for unreadable videos.

    With ``--timeline``: see :func:`spatempo.cli.predict_timeline.run_timeline`.

    Raises:
        SpatempoError: no video given, an empty folder, no checkpoint.
        Incomplete: some videos could not be read; contains the document with the results of the others.
    """
    if not options.videos:
        raise SpatempoError("no video given: spatempo predict CHECKPOINT VIDEO...")
    if options.timeline.timeline:
        if len(options.videos) != 1 or options.clips != 1 or options.crops != 1:
            raise SpatempoError("--timeline takes one video, and one clip and one crop per window: drop the rest")
        return run_timeline(
            options.checkpoint, options.videos[0], options.device, options.timeline, timeout=options.timeout
        )
    options.timeline.check_unused()
    videos = [video for given in options.videos for video in expand(given)]

    from spatempo.evaluation.scoring.predict import predict
    from spatempo.runtime.load import load_classifier

    model = load_classifier(options.checkpoint, options.device)
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
        raise Incomplete(document, _error_line(broken, len(document)))
    return document


def _error_line(broken: list[dict[str, Any]], videos: int) -> str:
    """Error message: the reason for a single video, else the number of unreadable videos listed above."""
    files = any(not is_address(entry["video"]) for entry in broken)
    fix = "; fix or remove the files that `data scan` lists" if files else ""
    if videos == 1:
        return f"{broken[0]['video']}: {broken[0]['error']}"
    return f"{len(broken)} of {videos} videos cannot be read; the reasons are listed above{fix}"


def expand(given: str) -> list[str]:
    """Videos that one command-line argument refers to, sorted by name.

    Raises:
        SpatempoError: a folder without videos and frames.
    """
    folder = Path(given)
    if "://" in given or not folder.is_dir():
        return [given]
    if videos := [str(clip) for clip in find_clips(folder)]:
        return videos
    raise SpatempoError(f"{given}: this folder contains no videos and no frames; give the folder of the files")


def show(document: list[dict[str, Any]] | dict[str, Any]) -> None:
    """Prints one table: the labels of each video, or the segments of a timeline."""
    if isinstance(document, dict):
        return show_timeline(document)
    rows: list[tuple[object, ...]] = []
    for entry in document:
        if "error" in entry and len(document) > 1:  # for a single video the error line is enough
            rows.append((entry["video"], f"cannot be read: {entry['error']}", None))
        for rank, guess in enumerate(entry["predictions"]):
            rows.append((entry["video"] if rank == 0 else "", guess["label"], percent(guess["score"])))
    if rows:
        print_table(["video", "label", "score"], rows)
