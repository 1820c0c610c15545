"""Write a timeline as ``segments.csv`` (tables), ``segments.json`` (programs) and ``segments.srt`` (subtitles)."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from spatempo.evaluation.longvideo.timeline import Timeline
from spatempo.files import write_atomic


def write_timeline(found: Timeline, folder: str | Path) -> dict[str, str]:
    """Write the three files, each one atomically, and return their paths by kind: ``{"csv", "json", "srt"}``.

    Raises:
        WriteError: the folder cannot be written to.
    """
    contents = {"csv": _csv(found), "json": json.dumps(found.to_json(), indent=2) + "\n", "srt": _srt(found)}
    return {kind: str(write_atomic(Path(folder) / f"segments.{kind}", text)) for kind, text in contents.items()}


def captions(found: Timeline) -> list[tuple[float, float, str]]:
    """(start, end, text) of every segment. The text is the label, on one line, and the score."""
    return [(s.start, s.end, f"{' '.join(s.label.split())}  {s.score:.0%}") for s in found.segments]


def _csv(found: Timeline) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("start", "end", "label", "score"))
    for s in found.segments:
        writer.writerow((f"{s.start:.3f}", f"{s.end:.3f}", s.label, f"{s.score:.4f}"))
    return text.getvalue()


def _srt(found: Timeline) -> str:
    """SubRip format: a number, ``00:00:01,500 --> 00:00:03,000``, the text, an empty line."""
    blocks = (
        f"{i}\n{_timestamp(a)} --> {_timestamp(b)}\n{text}\n" for i, (a, b, text) in enumerate(captions(found), 1)
    )
    return "\n".join(blocks)


def _timestamp(seconds: float) -> str:
    full_seconds, milliseconds = divmod(round(seconds * 1000), 1000)
    minutes, full_seconds = divmod(full_seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{full_seconds:02d},{milliseconds:03d}"
