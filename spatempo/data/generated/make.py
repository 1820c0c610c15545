"""Renders the generated data set: a folder of video files with a manifest for each split.

    OUT/videos/<split>/<class>/<class>_<number>.mp4
    OUT/train.csv, val.csv, test.csv    path,label,family,pair,group,frames,fps
    OUT/dataset.json                    description; written last, so if it exists, the set is complete

Every clip has its own seed, derived from the seed of the data set, the split, the kind of clip and its number. So a
clip does not depend on the number of workers, the preset or interruptions.
"""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from spatempo.data.generated.photos import pyramids
from spatempo.data.generated.presets import CONTROLS, PAIRS, SPLITS, Preset, get_preset
from spatempo.data.generated.scenes import render
from spatempo.errors import SpatempoError
from spatempo.files import atomic_file, write_atomic
from spatempo.limits import check_number
from spatempo.process import delay_interrupts, interruptible
from spatempo.video.writer import write_video

RENDERER = 1  # increase it when the same seed gives other frames, so that old folders are not used as new ones
COLUMNS = ("path", "label", "family", "pair", "group", "frames", "fps")
_UNITS = (*PAIRS, *CONTROLS)
_FINISHED, _STARTED = "dataset.json", "dataset.unfinished.json"
_FEW = 32  # sources; rendering fewer takes less time than starting worker processes

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Source:
    """One rendered clip: two files for a pair (the clip and its reversal), one for a control class."""

    unit: str
    split: str
    number: int

    @property
    def family(self) -> str:
        """``direction``, ``order`` or ``control``."""
        return PAIRS[self.unit][0] if self.unit in PAIRS else "control"

    @property
    def labels(self) -> tuple[str, ...]:
        """The class of the clip as rendered and, for a pair, the class of its reversal."""
        return PAIRS[self.unit][1:] if self.unit in PAIRS else (self.unit,)

    @property
    def files(self) -> tuple[str, ...]:
        """Paths of the clip and of its reversal, relative to the folder of the data set."""
        return tuple(f"videos/{self.split}/{label}/{label}_{self.number:05d}.mp4" for label in self.labels)

    def seed(self, root: int) -> np.random.SeedSequence:
        """Returns the seed of this clip."""
        return np.random.SeedSequence(root, spawn_key=(SPLITS.index(self.split), _UNITS.index(self.unit), self.number))

    def rows(self, preset: Preset) -> list[tuple[str, ...]]:
        """Returns the manifest lines of this clip, with the columns of ``COLUMNS``."""
        pair = self.unit if self.unit in PAIRS else ""
        group = f"{self.split}-{self.unit}-{self.number:05d}"
        numbers = (str(preset.frames), str(preset.fps))
        return [
            (file, label, self.family, pair, group, *numbers)
            for file, label in zip(self.files, self.labels, strict=True)
        ]


def make_data(
    out: str | os.PathLike[str],
    preset: str = "demo",
    *,
    seed: int = 0,
    clips_per_class: int | None = None,
    size: int | None = None,
    frames: int | None = None,
    workers: int | None = None,
    progress: bool | Progress = False,
) -> dict[str, object]:
    """Renders the generated data set, or returns at once if it already exists.

    An interrupted rendering is continued. Worker processes are started with ``spawn``, so a script that calls
    this needs the usual ``if __name__ == "__main__":``, or ``workers=1``.

    Args:
        out: folder; created if missing. It must be empty or contain the same data set.
        preset: one of ``presets.PRESETS``.
        seed: random seed, 0 or more; another seed gives another data set.
        clips_per_class: training clips per class; validation and test in proportion. ``None``: as in the preset.
        size: height and width, pixels. ``None``: as in the preset.
        frames: frames per clip. ``None``: as in the preset.
        workers: number of processes; ``None``: one per available core, but only this process for a few clips.
        progress: ``True`` shows a progress bar on stderr; a function is called as ``progress(done, total)``.

    Returns:
        ``root``; ``classes`` (names); ``train``, ``val``, ``test`` (paths of the manifests); ``clips`` (number per
        split); ``rendered`` (number of files written by this call). All values are JSON types.

    Raises:
        SpatempoError: the folder contains something else, an option is invalid, or scikit-image is missing.
    """
    chosen = get_preset(preset, clips_per_class=clips_per_class, size=size, frames=frames)
    check_number("seed", seed)
    check_number("workers", workers, least=1)
    root = Path(out).resolve()
    plan = [
        Source(unit, split, number)
        for split in SPLITS
        for unit in (*chosen.pairs, *chosen.controls)
        for number in range(chosen.clips(split))
    ]
    what = {"renderer": RENDERER, "seed": seed, "preset": chosen.to_dict()}
    try:
        finished = _claim(root, what)
        missing = [source for source in plan if not all((root / file).is_file() for file in source.files)]
        if missing:
            pyramids()  # raises an error here, once, if the photographs are missing
            for folder in {(root / file).parent for source in missing for file in source.files}:
                folder.mkdir(parents=True, exist_ok=True)
            with _report(progress) as report:
                _render_all(root, chosen, seed, missing, workers, report)
        if missing or not finished:
            _write_manifests(root, chosen, plan, what)
    except OSError as error:
        raise SpatempoError(
            f"{root}: cannot write the data set: {error}; free disk space or choose another folder"
        ) from error
    return {
        "root": str(root),
        "classes": list(chosen.classes),
        **{split: str(root / f"{split}.csv") for split in SPLITS},
        "clips": {split: chosen.clips(split) * len(chosen.classes) for split in SPLITS},
        "rendered": sum(len(source.files) for source in missing),
    }


def _claim(root: Path, what: dict[str, object]) -> bool:
    """Checks that the folder may be used; returns whether the data set in it is complete."""
    root.mkdir(parents=True, exist_ok=True)
    for name in (_FINISHED, _STARTED):
        try:
            found = json.loads((root / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except ValueError:
            found = None
        if not isinstance(found, dict) or any(found.get(key) != value for key, value in what.items()):
            raise SpatempoError(
                f"{root}: contains a data set with another preset, seed, option or version (see {name}); "
                "choose another folder, or delete this one"
            )
        return name == _FINISHED and all((root / f"{split}.csv").is_file() for split in SPLITS)
    if any(root.iterdir()):
        raise SpatempoError(
            f"{root}: is not empty and contains no generated data set; choose another folder or empty it"
        )
    write_atomic(root / _STARTED, json.dumps(what, indent=1) + "\n")
    return False


def _render_all(
    root: Path, preset: Preset, seed: int, sources: list[Source], workers: int | None, report: Progress
) -> None:
    jobs = [(str(root), preset, seed, source) for source in sources]
    total = sum(len(source.files) for source in sources)
    workers = min(workers or (_processors() if len(jobs) >= _FEW else 1), len(jobs), 61)  # 61: maximum on Windows
    done = 0
    if workers == 1:
        for job in jobs:
            done += _render_one(job)
            report(done, total)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn) as pool:
        try:
            with delay_interrupts():  # submitting starts the processes
                chunk = max(1, min(16, len(jobs) // (4 * workers)))
                results = pool.map(partial(interruptible, _render_one), jobs, chunksize=chunk)
            for written in results:
                done += written
                report(done, total)
        except BrokenProcessPool as error:
            raise SpatempoError(
                f"{root}: a rendering process ended unexpectedly (out of memory, or the calling script has no "
                "'if __name__ == \"__main__\":'); add that, or render with `workers=1`"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _render_one(job: tuple[str, Preset, int, Source]) -> int:
    """Renders one source, writes its files and returns their number. Runs in a worker process."""
    root, preset, seed, source = job
    clip = render(source.unit, preset, source.seed(seed))
    for file, frames in zip(source.files, (clip, clip[::-1]), strict=False):
        write_video(Path(root, file), frames, preset.fps, qp=preset.qp)
    return len(source.files)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _write_manifests(root: Path, preset: Preset, plan: list[Source], what: dict[str, object]) -> None:
    for split in SPLITS:
        path = root / f"{split}.csv"
        with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for source in plan:
                if source.split == split:
                    writer.writerows(source.rows(preset))
    families: dict[str, list[str]] = {}
    for source in plan:
        known = families.setdefault(source.family, [])
        known.extend(label for label in source.labels if label not in known)
    about = {
        **what,
        "classes": list(preset.classes),
        "families": families,
        "pairs": {pair: list(PAIRS[pair][1:]) for pair in preset.pairs},
        "clips": {split: preset.clips(split) * len(preset.classes) for split in SPLITS},
    }
    write_atomic(root / _FINISHED, json.dumps(about, indent=1) + "\n")
    (root / _STARTED).unlink(missing_ok=True)


@contextmanager
def _report(progress: bool | Progress) -> Iterator[Progress]:
    """Yields the progress callback: no operation, the given function, or a progress bar on stderr."""
    if callable(progress):
        yield progress
    elif not progress:
        yield lambda done, total: None
    else:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("rendering clips"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Bar(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task("")
            yield lambda done, total: bar.update(task, completed=done, total=total)
