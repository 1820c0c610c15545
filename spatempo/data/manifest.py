"""Labelled clips from a folder per class, a CSV, or a published list file.

All three are loaded as a :class:`Manifest`: clips with their class numbers, and the class names. Loading a manifest
opens no video. Missing or broken files are reported and counted when they are read (``data scan``, training,
``test``), never silently skipped.

The order of the classes, and so the meaning of the outputs of a network, is the first of these that exists:

1. the classes passed by the caller (those of a model, when its test data are loaded);
2. ``classes.txt`` (or ``category.txt``) next to the clips, one name per line;
3. the sorted names (by value if all are whole numbers); for a list file without names, 0, 1, 2, ...
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from spatempo.data._paths import find_clips, inside, is_video, listed
from spatempo.data._tables import Row, clean_name, is_number, read_csv, read_list, read_names
from spatempo.errors import SpatempoError

CLASS_FILES = ("classes.txt", "category.txt")


@dataclass(frozen=True)
class Sample:
    """One labelled clip.

    Attributes:
        path: absolute path of the video file or frame folder, with links resolved.
        label: class number, from 0.
        frames: number of frames given in the table; ``None`` if the table has none.
        group: clips of one group (a scene, a person) are never split between training and validation.
        family, pair: generated data only: the kind of class, and the pair of classes that are each other's reversal.
    """

    path: str
    label: int
    frames: int | None = None
    group: str | None = None
    family: str | None = None
    pair: str | None = None


@dataclass(frozen=True)
class Manifest:
    """Labelled clips and the names of their classes.

    Attributes:
        source: the folder or file, as given by the user.
        root: absolute path of the folder that contains all clips.
        samples: the clips, in the order of the table (a folder: sorted by class, then by path).
        classes: class names; ``classes[sample.label]`` is the class of a clip.
        template: name pattern of the images of a frame folder, such as ``"img_{:05d}.jpg"``; ``None``: detected.
    """

    source: str
    root: Path
    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    template: str | None = None

    def __len__(self) -> int:
        return len(self.samples)

    def subset(self, indices: Sequence[int]) -> Manifest:
        """Returns the clips at `indices`, in that order, with the same classes."""
        return replace(self, samples=tuple(self.samples[i] for i in indices))


def load_manifest(
    source: str | os.PathLike[str],
    *,
    classes: Sequence[str] | None = None,
    root: str | os.PathLike[str] | None = None,
    template: str | None = None,
) -> Manifest:
    """Loads labelled clips.

    Args:
        source: a folder with one folder per class; or a ``.csv`` with the columns ``path`` and ``label`` (optionally
            ``group`` or ``scene``, ``family``, ``pair``, ``frames``); or any other file, read as a published list
            with ``path frames label`` per line. A label is a class name, or a class number if the names are known
            from `classes` or from ``classes.txt`` next to the table.
        classes: class names in the order of their numbers (those of a model). Any other label is an error.
        root: folder that the paths of a table are relative to; default: the folder of the table.
        template: see :class:`Manifest`.

    Raises:
        SpatempoError: invalid input; one line with the file, its line number, the problem and a fix.
    """
    given = Path(source)
    forms = "give a folder of class folders, a CSV or a list file"
    if not os.path.exists(given):
        raise SpatempoError(f"{given}: no such file or folder; {forms}")
    if given.is_file() and is_video(given):
        raise SpatempoError(f"{given}: a video, not a table of videos; {forms}")
    if not given.is_file() and not given.is_dir():  # reading a pipe or a device could block or never end
        raise SpatempoError(f"{given}: neither a file nor a folder, but a pipe, socket or device; {forms}")
    folder = given if given.is_dir() else given.parent
    top = Path(os.path.realpath(folder if root is None or given.is_dir() else root))
    if not top.is_dir():
        raise SpatempoError(f"{root}: the root of {given} is not a folder; give the folder of its paths")
    is_list = given.is_file() and given.suffix.lower() != ".csv"
    rows = _class_folders(given) if given.is_dir() else read_list(given) if is_list else read_csv(given)
    if not rows:
        raise SpatempoError(f"{given}: no clips in it; add one per line")
    wanted = None if classes is None else tuple(clean_name(name) for name in classes)
    names, numbers = _number_labels(rows, _names_next_to(folder), wanted, is_list)
    samples = tuple(
        Sample(inside(top, row.path, row.where), number, row.frames, row.group, row.family, row.pair)
        for row, number in zip(rows, numbers, strict=True)
    )
    _refuse_repeats(rows, samples)
    return Manifest(str(source), top, samples, names, template)


def _class_folders(folder: Path) -> list[Row]:
    """Returns the rows of a folder with one folder per class."""
    entries = [Path(entry.path) for entry in listed(folder)]
    tables = [entry.name for entry in entries if entry.suffix.lower() == ".csv"]
    hint = f"give a table ({folder / tables[0]})" if tables else "make one folder per class, or give a CSV (path,label)"
    real = Path(os.path.realpath(folder))
    # a link to the folder itself, or to a folder that contains it, is not a class
    folders = [e for e in entries if os.path.isdir(e) and not real.is_relative_to(os.path.realpath(e))]
    if not folders:
        raise SpatempoError(f"{folder}: no class folders in it; {hint}")
    if len(folders) == 1 and tables:
        raise SpatempoError(f"{folder}: only one class folder, {folders[0].name!r}, and {tables[0]}; {hint}")
    loose = next((entry for entry in entries if is_video(entry) and not os.path.isdir(entry)), None)
    if loose is not None:
        raise SpatempoError(f"{loose}: is outside the class folders, so it has no class; move it into one of them")
    rows = []
    for class_folder in folders:
        clips = [str(clip.relative_to(folder)) for clip in find_clips(class_folder)]
        if clips == [class_folder.name]:
            raise SpatempoError(
                f"{class_folder}: images, not clips; put the frames of each clip into a separate folder"
            )
        if not clips:
            raise SpatempoError(f"{class_folder}: no videos or frame folders in it; add some or remove the folder")
        rows += [Row(str(folder), clip, clean_name(class_folder.name)) for clip in clips]
    return rows


def _names_next_to(folder: Path) -> tuple[str, ...] | None:
    file = next((folder / name for name in CLASS_FILES if (folder / name).is_file()), None)
    return None if file is None else read_names(file)


def _number_labels(
    rows: Sequence[Row], listed_names: tuple[str, ...] | None, wanted: tuple[str, ...] | None, is_list: bool
) -> tuple[tuple[str, ...], list[int]]:
    """Returns the class names, and the class number of each row.

    Args:
        listed_names: names from the file next to the clips, in its order.
        wanted: names to use (those of a model). If both are known, a class keeps its *name*, not its number.
        is_list: whether the labels are the numbers of a list file.
    """
    known = listed_names or wanted
    labels = [str(int(row.label)) if is_list else row.label for row in rows]
    digits = all(is_number(label) for label in labels)
    if digits and known is not None and not set(labels) <= set(known):
        labels = [_name_of(row, known) for row in rows]
    if known is None and is_list:
        known = _numbered_classes(rows)
    elif known is None:
        known = tuple(sorted(set(labels), key=(lambda name: (int(name), name)) if digits else None))
    names = wanted or known
    index = {name: i for i, name in enumerate(names)}
    for row, label in zip(rows, labels, strict=True):
        if label not in index:
            raise SpatempoError(
                f"{row.where}: label {label!r} ({row.path}) is not one of the {len(names)} classes ({_some(names)}); "
                "correct it, or remove the clip"
            )
    return names, [index[label] for label in labels]


def _numbered_classes(rows: Sequence[Row], most: int = 100_000) -> tuple[str, ...]:
    """Class names of a list without names: the numbers from 0 to the largest label."""
    largest = max(rows, key=lambda row: int(row.label))
    if int(largest.label) >= most:
        raise SpatempoError(f"{largest.where}: label {largest.label} is not a class number; write 'path frames label'")
    return tuple(str(i) for i in range(int(largest.label) + 1))


def _name_of(row: Row, names: tuple[str, ...]) -> str:
    if int(row.label) >= len(names):
        raise SpatempoError(
            f"{row.where}: label {row.label} ({row.path}), but there are {len(names)} classes, numbered from 0; "
            "correct it, or add the file of class names of this list"
        )
    return names[int(row.label)]


def _refuse_repeats(rows: Sequence[Row], samples: Sequence[Sample]) -> None:
    """Raises an error if a clip is listed twice: it would be counted twice, or have two different labels."""
    first: dict[str, Row] = {}
    for row, sample in zip(rows, samples, strict=True):
        before = first.setdefault(sample.path, row)
        if before is not row:
            raise SpatempoError(f"{row.where}: {row.path!r} is already at {before.where} ({before.path!r}); remove one")


def _some(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
