"""Load an exported model by its path."""

from __future__ import annotations

import os
from pathlib import Path

from spatempo.errors import SpatempoError
from spatempo.limits import check_number
from spatempo.runtime.engines.engine import Engine
from spatempo.runtime.engines.onnx_runtime import OnnxRuntimeEngine
from spatempo.runtime.engines.openvino import MODEL, OpenVinoEngine

EXPORTED = "an .onnx file, or an OpenVINO folder with model.xml"


def load_engine(path: str | os.PathLike[str], *, threads: int | None = None, precision: str | None = None) -> Engine:
    """Load an exported model to run it without torch.

    >>> engine = spatempo.load_engine("model.onnx")
    >>> spatempo.predict(engine, "clip.mp4", top=1)
    [{'label': 'swiping left', 'score': 0.93}]

    Args:
        path: an ``.onnx`` file, which runs in ONNX Runtime, or a folder with ``model.xml``, which runs in OpenVINO.
        threads: number of CPU threads; None: all cores.
        precision: of the computation, ``"f32"`` (default) or, in OpenVINO only, ``"bf16"``.

    Raises:
        SpatempoError: the path is missing or is not an exported model, its format is newer than this spatempo, or its
            inference engine is not installed.
    """
    path = Path(path)
    check_number("threads", threads)
    if not path.exists():
        raise SpatempoError(f"{path}: no such file or folder; `spatempo export` writes exported models")
    if path.suffix == ".pt2":
        raise SpatempoError(
            f"{path}: is written for other programs; it is not loaded here because loading it can execute code; use "
            "an .onnx file or an OpenVINO folder"
        )
    if not is_exported(path):
        raise SpatempoError(f"{path}: not an exported model; give {EXPORTED}")
    kind = OpenVinoEngine if path.is_dir() else OnnxRuntimeEngine
    return kind(path, threads, precision or "f32")


def is_exported(path: str | os.PathLike[str]) -> bool:
    """Whether a path has the form of an exported model: a file named ``.onnx``, or a folder with ``model.xml``."""
    path = Path(path)
    return (path / MODEL).is_file() if path.is_dir() else path.suffix in (".onnx", ".pt2")
