"""Training, validation and test clips of a comparison."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spatempo.data.manifest import Manifest, load_manifest
from spatempo.data.split import split
from spatempo.errors import SpatempoError

HELD_OUT = 0.2  # fraction of DATA used as test clips if neither test nor validation data are given


@dataclass(frozen=True)
class Parts:
    """The three parts of the data, with the same numbering of the classes.

    Attributes:
        train, test: training and test clips; they never overlap.
        val: clips used to choose the best epoch; None if they are the test clips.
        note: one sentence for the page that states the test clips and the epoch.
    """

    train: Manifest
    val: Manifest | None
    test: Manifest
    note: str


def find_parts(data: str | Path, *, val: str | None = None, test: str | None = None, seed: int = 0) -> Parts:
    """Finds the three parts.

    In a folder with ``train.csv`` (as written by ``data make``), ``val.csv`` and ``test.csv`` are used if they exist.
    Without test data, the validation data are the test data; they then do not choose the epoch, and the last
    checkpoint is tested. Without either, a fifth of the clips becomes the test data: the proportions of the classes are
    preserved and no group is split.

    Args:
        data: a folder of class folders, a CSV, a list file, or a folder with ``train.csv``.
        val, test: like `data`; they take precedence over the files in the folder.
        seed: random seed of the test part.

    Raises:
        SpatempoError: invalid data, or a clip that is in both the training and the test data.
    """
    folder = Path(data)
    if (folder / "train.csv").is_file():
        data = folder / "train.csv"
        val = val or _if_there(folder / "val.csv")
        test = test or _if_there(folder / "test.csv")
    train = load_manifest(data)
    chosen = None if val is None else load_manifest(val, classes=train.classes)
    if test is not None:
        tested = load_manifest(test, classes=train.classes)
        epoch = "the best epoch on the validation clips" if chosen else "the last epoch"
        note = f"Tested on {test} with {epoch}."
    elif chosen is not None:
        tested, chosen = chosen, None
        note = f"Tested on {val} with the last epoch, since the test clips must not choose the epoch."
    else:
        train, tested = split(train, HELD_OUT, seed)
        note = (
            f"Tested with the last epoch on a fifth of {data} that was not used for training (the proportions of the "
            "classes are preserved and no group is split)."
        )
    _refuse_overlap(train, tested)
    return Parts(train, chosen, tested, note)


def _if_there(path: Path) -> str | None:
    return str(path) if path.is_file() else None


def _refuse_overlap(train: Manifest, test: Manifest) -> None:
    trained = {sample.path for sample in train.samples}
    shared = [sample.path for sample in test.samples if sample.path in trained]
    if shared:
        raise SpatempoError(
            f"{test.source}: {len(shared)} of its clips are also training clips, such as {shared[0]}; "
            "use other clips for the test"
        )
