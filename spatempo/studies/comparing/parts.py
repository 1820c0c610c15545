"""Which clips a comparison trains on, chooses the best epoch on, and tests on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spatempo.data.manifest import Manifest, load_manifest
from spatempo.data.split import split
from spatempo.errors import SpatempoError

HELD_OUT = 0.2  # share of DATA that is tested on when nothing else is given


@dataclass(frozen=True)
class Parts:
    """The three parts of the data; all number the classes alike.

    Attributes:
        train, test: never overlap.
        val: chooses the best epoch; None where choosing on it would be choosing on the test clips.
        note: one sentence on what was done, for the page.
    """

    train: Manifest
    val: Manifest | None
    test: Manifest
    note: str


def find_parts(data: str | Path, *, val: str | None = None, test: str | None = None, seed: int = 0) -> Parts:
    """Finds the three parts.

    A folder with ``train.csv`` in it (as ``data make`` writes) brings ``val.csv`` and ``test.csv`` where they are
    there. Without test data the validation data is tested on, and then it does not choose the epoch as well: the last
    checkpoint is tested. Without either, a fifth of the clips is held out, classes in proportion and groups whole.

    Args:
        data: a folder of class folders, a CSV, a list file, or a folder with ``train.csv``.
        val, test: like `data`; they win over what lies in the folder.
        seed: of the held-out part.

    Raises:
        SpatempoError: data that cannot be used, or a clip that is trained on and tested on.
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
        how = "the best epoch on the validation clips" if chosen else "the last epoch"
        note = f"Tested on {test} with {how}."
    elif chosen is not None:
        tested, chosen = chosen, None
        note = f"Tested on {val} with the last epoch: the same clips do not choose an epoch and judge it."
    else:
        train, tested = split(train, HELD_OUT, seed)
        note = (
            f"Tested with the last epoch on a fifth of {data} that was held out (classes in proportion, groups whole)."
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
            f"{test.source}: {len(shared)} of its clips are trained on too, such as {shared[0]}: test on other clips"
        )
