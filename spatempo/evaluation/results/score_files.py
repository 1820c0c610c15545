"""Save the scores of a test as a parquet file, to fuse them or compute other metrics without a second run.

The file has one row per video with the columns ``path``, ``index`` (position in the manifest), ``label`` and
``prediction`` (true and predicted class names) and ``scores`` (as in
:class:`~spatempo.evaluation.results.eval_result.EvalResult`, in the order of the classes). pandas, polars and DuckDB
can read it. The classes, views and unreadable videos are in the metadata of the file. This module requires pyarrow, an
optional dependency.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from spatempo.errors import SpatempoError
from spatempo.evaluation.results.eval_result import EvalResult, measure
from spatempo.files import atomic_file

_KEY = b"spatempo"
_METADATA = ("clips", "crops", "average", "unreadable")


def require_pyarrow() -> tuple[Any, Any]:
    """Import ``pyarrow`` and ``pyarrow.parquet``, or raise an error with the installation command."""
    try:
        import pyarrow  # pyright: ignore[reportMissingImports]
        import pyarrow.parquet as parquet  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise SpatempoError(
            f"score files are in parquet format, which requires pyarrow ({error}); "
            "run `pip install pyarrow` or install spatempo[scores]"
        ) from error
    return pyarrow, parquet


def save_scores(result: EvalResult, path: str | os.PathLike[str]) -> Path:
    """Write the scores of a test. An existing file is replaced only when the new file is complete.

    Raises:
        SpatempoError: pyarrow is not installed, or the file cannot be written.
    """
    pa, parquet = require_pyarrow()
    classes = result.classes
    metadata = {"classes": classes} | {key: getattr(result, key) for key in _METADATA}
    flat = pa.array(np.ascontiguousarray(result.scores, np.float32).ravel())
    table = pa.table(
        {
            "path": pa.array([*map(_utf8, result.paths)] or [None] * result.n, pa.string()),
            "index": pa.array(result.indices, pa.int64()),
            "label": [_utf8(classes[k]) for k in result.labels],
            "prediction": [_utf8(classes[k]) for k in result.predictions],
            "scores": pa.FixedSizeListArray.from_arrays(flat, len(classes)),
        },
        metadata={_KEY: json.dumps(metadata).encode()},
    )
    with atomic_file(path) as temporary:
        parquet.write_table(table, temporary)
    return Path(path)


def read_scores(path: str | os.PathLike[str]) -> EvalResult:
    """Read a result written by :func:`save_scores`; the metrics are computed from the scores.

    Raises:
        SpatempoError: pyarrow is not installed, or the file is missing, damaged, or not a score file.
    """
    pa, parquet = require_pyarrow()
    try:
        table = parquet.read_table(path)
        metadata = json.loads((table.schema.metadata or {})[_KEY])
        classes = tuple(metadata["classes"])
        number = {_utf8(name): k for k, name in enumerate(classes)}
        labels = np.array([number[name] for name in table["label"].to_pylist()], np.int64)
        flat = table["scores"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        scores = np.array(flat, np.float32).reshape(len(labels), len(classes))
        paths, indices = table["path"].to_pylist(), table["index"].to_pylist()
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"{type(error).__name__}: {error}"
        raise SpatempoError(
            f"{os.fspath(path)}: cannot be read as a score file ({reason.splitlines()[0]}); "
            "create one with `spatempo test --scores`"
        ) from error
    result = measure(
        scores,
        labels,
        classes,
        indices=indices,
        **{key: metadata[key] for key in _METADATA if key in metadata},
    )
    result.paths = [] if None in paths else paths
    return result


def _utf8(name: str) -> str:
    """Escape bytes that are not UTF-8 (from old file systems), because parquet accepts only UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode()
