"""Writers of the export formats. Each writes into a work folder; the result gets its name once it was compared."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from spatempo.errors import SpatempoError
from spatempo.files import cannot_write
from spatempo.runtime.engines.load_engine import load_engine
from spatempo.runtime.spec import FILE, INPUT, KEY, OUTPUT, STEP_INPUT, ExportSpec


@dataclass(frozen=True)
class Finished:
    """A written export under a temporary name.

    Attributes:
        temporary: the file or folder.
        target: its final path.
        run: makes what computes it: an engine, or the program itself.
    """

    temporary: Path
    target: Path
    run: Callable[[], Any]

    def publish(self) -> int:
        """Gives the result its name, replacing an earlier export, and returns its size in bytes.

        Raises:
            WriteError: it cannot be renamed.
        """
        try:
            files = [self.temporary] if self.temporary.is_file() else sorted(self.temporary.iterdir())
            size = sum(_flushed(file) for file in files)
            if self.temporary.is_dir() and self.target.is_dir():
                old = self.temporary.with_name("old")
                os.replace(self.target, old)  # removed with the work folder
            os.replace(self.temporary, self.target)
        except OSError as error:
            raise cannot_write(self.target, error) from error
        return size


def write_onnx(program: ExportedProgram, spec: ExportSpec, work: Path, target: Path) -> Finished:
    """One ONNX file with all weights, and the description in its metadata."""
    if target.is_dir():
        raise SpatempoError(f"{target}: is a folder; give the name of a file, such as {target / 'model.onnx'}")
    file = _onnx(program, spec, work)

    return Finished(file, target, lambda: load_engine(file))


def write_openvino(program: ExportedProgram, spec: ExportSpec, work: Path, target: Path) -> Finished:
    """A folder with ``model.xml``, ``model.bin`` and the description, made from ONNX, which keeps names and free sizes.

    Raises:
        SpatempoError: the target is a file, or a folder with other content.
    """
    if target.exists() and not target.is_dir():
        raise SpatempoError(f"{target}: is a file; give the name of a folder, or an .onnx file")
    if target.is_dir() and any(target.iterdir()) and not (target / FILE).is_file():
        raise SpatempoError(f"{target}: contains other files; give a new folder")
    import openvino

    folder = work / "model"
    folder.mkdir()
    converted = openvino.convert_model(_onnx(program, spec, work))
    with _writing(target):
        openvino.save_model(converted, folder / "model.xml", compress_to_fp16=False)
        (folder / FILE).write_text(spec.to_json())

    return Finished(folder, target, lambda: load_engine(folder))


def write_pt2(program: ExportedProgram, spec: ExportSpec, work: Path, target: Path) -> Finished:
    """An archive of :func:`torch.export.save` with the description as an extra file; the program itself is compared."""
    if target.is_dir():
        raise SpatempoError(f"{target}: is a folder; give the name of a file, such as {target / 'model.pt2'}")
    file = work / "model.pt2"
    with _writing(target):
        torch.export.save(program, file, extra_files={FILE: spec.to_json()})
    return Finished(file, target, program.module)


def _onnx(program: ExportedProgram, spec: ExportSpec, work: Path) -> Path:
    main = STEP_INPUT if spec.kind == "step" else INPUT
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's exporter, about its own parts
        converted = torch.onnx.export(
            program,
            dynamo=True,
            external_data=False,
            input_names=[main, *(tensor.name for tensor in spec.state)],
            output_names=[OUTPUT, *(tensor.next_name for tensor in spec.state)],
            verbose=False,
        )
    assert converted is not None
    converted.model.metadata_props[KEY] = spec.to_json()
    file = work / "model.onnx"
    with _writing(file):
        converted.save(file, external_data=False)
    return file


def _flushed(file: Path) -> int:
    with open(file, "rb+") as content:
        os.fsync(content.fileno())
    return file.stat().st_size


class _writing:
    """Errors of the disk as one line that names the target."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, OSError):
            raise cannot_write(self.target, error) from error
