"""Opens every clip once, lists the unreadable ones with their reasons, and writes a manifest of the readable ones."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatempo.data._open import open_clip
from spatempo.data._parallel import CRASHED, cores, run_all
from spatempo.data._paths import find_clips, is_video
from spatempo.data.manifest import load_manifest
from spatempo.errors import SpatempoError, VideoError
from spatempo.files import atomic_file
from spatempo.limits import check_number

COLUMNS = ("path", "label", "frames", "fps", "width", "height", "duration")
EXTRA_COLUMNS = ("group", "family", "pair")  # written if the scanned table has them
_AT_ONCE = 32  # frames in memory during a full decode


@dataclass(frozen=True)
class ScanResult:
    """Result of a scan.

    Attributes:
        clips: number of clips opened.
        readable: number of readable clips.
        unreadable: ``{"path", "reason"}`` of each other clip.
        rows: for each readable clip ``path`` (relative to `root`), ``label`` (class name; empty if the clip is in no
            class folder), ``frames`` (exact), ``fps`` (average), ``width``, ``height``, ``duration`` (seconds).
        root: folder that the paths are relative to.
        manifest: path of the CSV, if one was written.
    """

    clips: int
    readable: int
    unreadable: list[dict[str, str]]
    rows: list[dict[str, Any]]
    root: Path
    manifest: str | None = None


@dataclass(frozen=True)
class _Job:
    path: str
    name: str
    label: str
    template: str | None
    expected: int | None
    full: bool
    extra: tuple[tuple[str, str], ...] = ()


def scan(
    source: str | os.PathLike[str],
    workers: int | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    full: bool = False,
    template: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ScanResult:
    """Opens every clip of a folder (with or without class folders), a CSV or a list file, or a single video.

    Args:
        workers: number of processes (default: one per core).
        out: file for a manifest of the readable clips, in the folder of the clips or above it.
        full: decode every frame. Otherwise only the first, middle and last one, which detects missing and truncated
            files and most damaged ones.
        template: see :func:`~spatempo.data.manifest.load_manifest`.
        progress: called as ``progress(done, total)``.

    Raises:
        SpatempoError: no clips, an invalid table, or the manifest cannot be written.
    """
    check_number("workers", workers)
    root, jobs = _jobs(Path(source), template, full)
    target = None if out is None else Path(out)
    if target is not None and not root.is_relative_to(Path(os.path.realpath(target.parent))):
        raise SpatempoError(f"{target}: a manifest lists clips below its own folder; write it to {root} or above")
    results = run_all(_inspect, jobs, cores() if workers is None else workers, progress)
    rows, unreadable = [], []
    for job, result in zip(jobs, results, strict=True):
        if isinstance(result, dict):
            rows.append({"path": job.name, "label": job.label, **result, **dict(job.extra)})
        else:
            reason = "the decoder crashed" if result is CRASHED else result
            unreadable.append({"path": job.path, "reason": reason})
    if target is not None:
        below = root.relative_to(os.path.realpath(target.parent))
        write_manifest(target, [{**row, "path": (below / row["path"]).as_posix()} for row in rows])
    return ScanResult(len(jobs), len(rows), unreadable, rows, root, None if target is None else str(target))


def write_manifest(file: str | os.PathLike[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes a CSV manifest (UTF-8), complete or not at all. Columns: :data:`COLUMNS` and the extra ones in use.

    Text is always quoted and otherwise unchanged: a class name may be ``=1+1`` or contain a line break.
    """
    rows = list(rows)
    columns = [*COLUMNS, *(name for name in EXTRA_COLUMNS if any(row.get(name) for row in rows))]
    with atomic_file(Path(file)) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(
            stream, columns, restval="", extrasaction="ignore", lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC
        )
        writer.writeheader()
        writer.writerows(rows)


def _jobs(source: Path, template: str | None, full: bool) -> tuple[Path, list[_Job]]:
    """Returns the folder that clip names are relative to, and the clips to open."""
    if os.path.isdir(source):
        root = Path(os.path.realpath(source))
        names = [clip.relative_to(root) for clip in find_clips(root)]
        if not names:
            raise SpatempoError(
                f"{source}: no videos or frame folders in it; give a folder of clips, a CSV or a list file"
            )
        # root/<class>/.../clip; a clip directly in the root has no class
        jobs = [
            _Job(str(root / name), name.as_posix(), name.parts[0] if len(name.parts) > 1 else "", template, None, full)
            for name in names
        ]
        return root, jobs
    if source.is_file() and is_video(source):
        root = Path(os.path.realpath(source.parent))
        return root, [_Job(str(root / source.name), source.name, "", template, None, full)]
    manifest = load_manifest(source, template=template)
    jobs = []
    for sample in manifest.samples:
        name = Path(sample.path).relative_to(manifest.root).as_posix()
        extra = tuple((key, value) for key in EXTRA_COLUMNS if (value := getattr(sample, key)))
        label = manifest.classes[sample.label]
        jobs.append(_Job(sample.path, name, label, template, sample.frames, full, extra))
    return manifest.root, jobs


def _inspect(job: _Job) -> dict[str, Any] | str:
    """Returns the properties of one clip, or the reason why it cannot be read."""
    try:
        with open_clip(job.path, job.template) as source:
            n = source.frames
            if job.full:
                for start in range(0, n, _AT_ONCE):
                    source.read(range(start, min(start + _AT_ONCE, n)), short_side=32)
            else:
                source.read(sorted({0, n // 2, n - 1}), short_side=32)
            if job.expected is not None and (n < job.expected or (n > job.expected and not os.path.isdir(job.path))):
                return f"the table gives {job.expected} frames, but {n} can be read; correct the table"
            return {
                "frames": n,
                "fps": round(source.fps, 3),
                "width": source.width,
                "height": source.height,
                "duration": round(source.duration, 3),
            }
    except VideoError as error:
        return error.reason
    except OSError as error:
        return error.strerror or str(error)
