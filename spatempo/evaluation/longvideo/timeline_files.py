"""A timeline as files: ``segments.csv`` for tables, ``segments.json`` for programs, ``segments.srt`` for players."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from spatempo.evaluation.longvideo.timeline import Timeline
from spatempo.files import write_whole


def write_timeline(found: Timeline, folder: str | Path) -> dict[str, str]:
    """Writes the three files, each there as a whole or not at all; returns ``{"csv", "json", "srt"}``, their paths.

    Raises:
        WriteError: the folder cannot be written to.
    """
    contents = {"csv": _csv(found), "json": json.dumps(found.to_json(), indent=2) + "\n", "srt": _srt(found)}
    return {kind: str(write_whole(Path(folder) / f"segments.{kind}", text)) for kind, text in contents.items()}


def captions(found: Timeline) -> list[tuple[float, float, str]]:
    """(start, end, what a viewer reads) of every segment: the label, on one line, and its score."""
    return [(s.start, s.end, f"{' '.join(s.label.split())}  {s.score:.0%}") for s in found.segments]


def _csv(found: Timeline) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("start", "end", "label", "score"))
    for s in found.segments:
        writer.writerow((f"{s.start:.3f}", f"{s.end:.3f}", s.label, f"{s.score:.4f}"))
    return text.getvalue()


def _srt(found: Timeline) -> str:
    """SubRip: a number, ``00:00:01,500 --> 00:00:03,000``, the text, an empty line."""
    blocks = (f"{i}\n{_clock(a)} --> {_clock(b)}\n{text}\n" for i, (a, b, text) in enumerate(captions(found), 1))
    return "\n".join(blocks)


def _clock(seconds: float) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    minutes, whole = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{whole:02d},{milliseconds:03d}"
