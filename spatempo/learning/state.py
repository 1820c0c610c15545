"""The training state of a run: one file of plain values and tensors, from which a killed run goes on exactly.

It is not a checkpoint (that is ``spatempo.models.checkpoint``): nothing but the run that wrote it can use it.
"""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError  # the exception only: nothing is unpickled but plain values
from typing import Any

import torch

from spatempo.data.manifest import Manifest
from spatempo.errors import SpatempoError
from spatempo.files import WriteError, cannot_write, write_whole
from spatempo.inputs.spec import Preprocess
from spatempo.learning.extend import SCHEDULE
from spatempo.learning.recipe import Recipe, differences
from spatempo.models.header import present_options
from spatempo.models.registry import parse_name

FORMAT = 1


def save_state(state: Mapping[str, Any], path: Path) -> None:
    """Writes a training state: temporary file, fsync, rename; a state already there stays until the new one is whole.

    Args:
        state: numbers, strings, lists, dicts and tensors only.
        path: ``OUT/resume/state.pt``.

    Raises:
        SpatempoError: it could not be written, for example on a full disk.
    """
    # Through memory, because torch's writer turns a full disk into a RuntimeError that does not say so.
    memory = io.BytesIO()
    torch.save({"format": FORMAT, **state}, memory)
    write(path, memory.getvalue())


def load_state(path: Path) -> dict[str, Any]:
    """Reads a training state; nothing in the file is executed.

    Raises:
        SpatempoError: no such file, damaged, or of another format.
    """
    if not path.is_file():
        raise SpatempoError(f"{path}: there is no run to resume; start it without `resume`")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about the pickle protocol of files that are none of ours
            state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise SpatempoError(f"{path}: cannot be read ({error.strerror})") from error
    except (UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, AttributeError) as error:
        raise SpatempoError(
            f"{path}: is not a training state of spatempo, or is damaged ({type(error).__name__}); start the run again"
        ) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise SpatempoError(f"{path}: is not a training state of this version of spatempo; start the run again")
    return state


def write(path: Path, content: bytes) -> None:
    """Writes a file of a run whole or not at all, its folder made if missing; SpatempoError where that fails."""
    with naming(path):
        write_whole(path, content)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turns an error in writing `path` into one line that names the file, the mend, and what is left of the run."""
    try:
        yield
    except OSError as error:
        raise writing_failed(cannot_write(path, error), path) from error
    except WriteError as error:
        raise writing_failed(error, path) from error


def writing_failed(error: WriteError, path: Path) -> SpatempoError:
    """The line of a run that stops because `path`, in its folder or one below, could not be written."""
    # not Path.is_file: it raises for a name that is too long
    if not any(os.path.isfile(folder / "resume" / "state.pt") for folder in (path.parent, path.parent.parent)):
        return error  # nothing was saved before
    return SpatempoError(f"{error}. What was saved before still loads, and `resume` continues the run from there")


def fingerprint_data(manifest: Manifest | None) -> dict[str, Any] | None:
    """Identity of labelled clips: their number, and a digest over paths (within the root) and labels."""
    if manifest is None:
        return None
    digest = hashlib.sha256()
    for sample in manifest.samples:
        try:
            place = Path(sample.path).relative_to(manifest.root).as_posix()
        except ValueError:
            place = sample.path
        digest.update(f"{place}\0{sample.label}\n".encode(errors="surrogateescape"))
    return {"clips": len(manifest.samples), "digest": digest.hexdigest()}


def check_same_run(old: Mapping[str, Any], new: Mapping[str, Any], path: Path) -> None:
    """Raises a SpatempoError naming the first differences between the run of a state and the one now asked for.

    Args:
        old, new: ``model``, ``options``, ``classes``, ``preprocess``, ``train``, ``val``, ``devices``, ``recipe``.
        path: of the state, for the message.
    """
    found: list[str] = []
    for part, words in (("train", "training"), ("val", "validation")):
        a, b = old.get(part), new.get(part)
        if a != b:
            counts = [f"{d['clips']} clips" if d else "none" for d in (a, b)]
            same = " (as many, but other paths or labels)" if counts[0] == counts[1] else ""
            found.append(f"{words} data was {counts[0]}, now {counts[1]}{same}")
    plain = ("model", "options", "classes", "preprocess", "devices")
    old = _as_written_now(old)
    found += differences({k: old.get(k) for k in plain}, {k: new.get(k) for k in plain})
    then, now = old.get("recipe", {}), new.get("recipe", {})
    later = {k: v for k, v in Recipe().to_dict().items() if k in now and k not in then}  # fields of a newer version
    same = {key: now[key] for key in SCHEDULE if key in now}  # may change, as far as `extend.check_past` allows
    found += differences({**then, **later, **same}, now)
    if found:
        raise SpatempoError(
            f"{path}: was written by another run: {'; '.join(found[:4])}; give the same data and settings to resume, "
            "or another `out` to start a new run"
        )


def _as_written_now(identity: Mapping[str, Any]) -> Mapping[str, Any]:
    """The identity of a run with options that came after it, and with its short side."""
    now = dict(identity)
    if "options" in now:
        design, _, _ = parse_name(now["model"])
        now["options"] = {**design.options, **design.older, **present_options(now["options"])}
    if now.get("preprocess"):
        now["preprocess"] = Preprocess.from_dict(now["preprocess"]).to_dict()
    return now
