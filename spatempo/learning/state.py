"""Training state of a run: one file of plain values and tensors, from which an interrupted run continues exactly.

It is not a checkpoint (see ``spatempo.models.checkpoint``). Only the run that wrote it can use it.
"""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError  # only the exception; only plain values are unpickled
from typing import Any

import torch

from spatempo.data.manifest import Manifest
from spatempo.errors import SpatempoError
from spatempo.files import WriteError, cannot_write, write_atomic
from spatempo.inputs.spec import Preprocess
from spatempo.learning.extend import SCHEDULE
from spatempo.learning.recipe import Recipe, differences
from spatempo.models.header import present_options
from spatempo.models.registry import parse_name

FORMAT = 1


def save_state(state: Mapping[str, Any], path: Path) -> None:
    """Writes a training state atomically: a previous state is replaced only when the new one is complete.

    Args:
        state: numbers, strings, lists, dicts and tensors only.
        path: ``OUT/resume/state.pt``.

    Raises:
        SpatempoError: it cannot be written, for example because the disk is full.
    """
    # Serialised in memory first, because torch's writer reports a full disk as a RuntimeError without the reason.
    memory = io.BytesIO()
    torch.save({"format": FORMAT, **state}, memory)
    write(path, memory.getvalue())


def load_state(path: Path) -> dict[str, Any]:
    """Reads a training state. No code in the file is executed.

    Raises:
        SpatempoError: the file does not exist, is damaged, or has another format.
    """
    if not path.is_file():
        raise SpatempoError(f"{path}: no run to resume; start a new run without `resume`")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about the pickle protocol of other files
            state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise SpatempoError(f"{path}: cannot be read ({error.strerror})") from error
    except (UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, AttributeError) as error:
        raise SpatempoError(
            f"{path}: not a training state of spatempo, or damaged ({type(error).__name__}); start the run again"
        ) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise SpatempoError(f"{path}: not a training state of this version of spatempo; start the run again")
    return state


def write(path: Path, content: bytes) -> None:
    """Writes a file of a run atomically, and creates its folder if missing. Raises SpatempoError if that fails."""
    with report_write_errors(path):
        write_atomic(path, content)


@contextmanager
def report_write_errors(path: Path) -> Iterator[None]:
    """Converts an error while writing `path` to a one-line error with the file, a fix, and how to continue the run."""
    try:
        yield
    except OSError as error:
        raise writing_failed(cannot_write(path, error), path) from error
    except WriteError as error:
        raise writing_failed(error, path) from error


def writing_failed(error: WriteError, path: Path) -> SpatempoError:
    """Error of a run that stops because `path`, in its folder or a subfolder, could not be written."""
    # not Path.is_file, which raises an error if a name is too long
    if not any(os.path.isfile(folder / "resume" / "state.pt") for folder in (path.parent, path.parent.parent)):
        return error  # no earlier state
    return SpatempoError(f"{error}. The last saved state is intact, and `resume` continues the run from it")


def fingerprint_data(manifest: Manifest | None) -> dict[str, Any] | None:
    """Identity of labelled clips: their number, and a digest of their paths (relative to the root) and labels."""
    if manifest is None:
        return None
    digest = hashlib.sha256()
    for sample in manifest.samples:
        try:
            path = Path(sample.path).relative_to(manifest.root).as_posix()
        except ValueError:
            path = sample.path
        digest.update(f"{path}\0{sample.label}\n".encode(errors="surrogateescape"))
    return {"clips": len(manifest.samples), "digest": digest.hexdigest()}


def check_same_run(old: Mapping[str, Any], new: Mapping[str, Any], path: Path) -> None:
    """Raises a SpatempoError with the first differences between the saved run and the current settings.

    Args:
        old, new: ``model``, ``options``, ``classes``, ``preprocess``, ``train``, ``val``, ``devices``, ``recipe``.
        path: file of the state, for the message.
    """
    found: list[str] = []
    for part, words in (("train", "training"), ("val", "validation")):
        a, b = old.get(part), new.get(part)
        if a != b:
            counts = [f"{d['clips']} clips" if d else "none" for d in (a, b)]
            same = " (with other paths or labels)" if counts[0] == counts[1] else ""
            found.append(f"{words} data was {counts[0]}, now {counts[1]}{same}")
    plain = ("model", "options", "classes", "preprocess", "devices")
    old = _upgrade_identity(old)
    found += differences({k: old.get(k) for k in plain}, {k: new.get(k) for k in plain})
    then, now = old.get("recipe", {}), new.get("recipe", {})
    later = {k: v for k, v in Recipe().to_dict().items() if k in now and k not in then}  # fields of a newer version
    same = {key: now[key] for key in SCHEDULE if key in now}  # changes are checked by `extend.check_past`
    found += differences({**then, **later, **same}, now)
    if found:
        raise SpatempoError(
            f"{path}: created with different settings: {'; '.join(found[:4])}; give the same data and settings to "
            "resume, or another output folder (`out`) to start a new run"
        )


def _upgrade_identity(identity: Mapping[str, Any]) -> Mapping[str, Any]:
    """Identity of a run of an earlier version, with the options and the short side that were added later."""
    now = dict(identity)
    if "options" in now:
        design, _, _ = parse_name(now["model"])
        now["options"] = {**design.options, **design.older_defaults, **present_options(now["options"])}
    if now.get("preprocess"):
        now["preprocess"] = Preprocess.from_dict(now["preprocess"]).to_dict()
    return now
