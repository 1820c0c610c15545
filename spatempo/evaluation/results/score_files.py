"""The scores of a test as a parquet file, so that fusing and counting anew need no second run.

One row a video: ``path``, ``index`` (in the manifest), ``label`` and ``answer`` (class names) and ``scores`` (those of
:class:`~spatempo.evaluation.results.eval_result.EvalResult`, in the order of the classes), which pandas, polars and
DuckDB read as they are; the classes, the views and what could not be read are in the file's metadata. Needs pyarrow,
which is not among the things spatempo always brings.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spatempo.errors import SpatempoError
from spatempo.evaluation.results.eval_result import EvalResult, measure
from spatempo.files import whole_file

_KEY = b"spatempo"
_FACTS = ("clips", "crops", "average", "unreadable")


def require_pyarrow() -> tuple[Any, Any]:
    """``pyarrow`` and ``pyarrow.parquet``, or the line that says how to get them."""
    try:
        import pyarrow  # pyright: ignore[reportMissingImports]
        import pyarrow.parquet as parquet  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise SpatempoError(
            f"scores are kept as parquet, which needs pyarrow ({error}): pip install pyarrow, or spatempo[scores]"
        ) from error
    return pyarrow, parquet


def save_scores(result: EvalResult, path: str | os.PathLike[str]) -> Path:
    """Writes the scores of a test; a former file is replaced once the new one is whole.

    Raises:
        SpatempoError: pyarrow is not installed, or the file cannot be written.
    """
    pa, parquet = require_pyarrow()
    classes = result.classes
    facts = {"classes": classes} | {key: getattr(result, key) for key in _FACTS}
    flat = pa.array(np.ascontiguousarray(result.scores, np.float32).ravel())
    table = pa.table(
        {
            "path": pa.array([*map(_utf8, result.paths)] or [None] * result.n, pa.string()),
            "index": pa.array(result.indices, pa.int64()),
            "label": [_utf8(classes[k]) for k in result.labels],
            "answer": [_utf8(classes[k]) for k in result.answers],
            "scores": pa.FixedSizeListArray.from_arrays(flat, len(classes)),
        },
        metadata={_KEY: json.dumps(facts).encode()},
    )
    with whole_file(path) as temporary:
        parquet.write_table(table, temporary)
    return Path(path)


def read_scores(path: str | os.PathLike[str]) -> EvalResult:
    """The result that :func:`save_scores` wrote, its metrics counted from the scores.

    Raises:
        SpatempoError: pyarrow is not installed, or the file is not there, damaged, or not of this kind.
    """
    pa, parquet = require_pyarrow()
    try:
        table = parquet.read_table(path)
        facts = json.loads((table.schema.metadata or {})[_KEY])
        classes = tuple(facts["classes"])
        number = {_utf8(name): k for k, name in enumerate(classes)}
        labels = torch.tensor([number[name] for name in table["label"].to_pylist()])
        flat = table["scores"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        scores = torch.from_numpy(np.array(flat, np.float32).reshape(len(labels), len(classes)))
        paths, indices = table["path"].to_pylist(), table["index"].to_pylist()
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"{type(error).__name__}: {error}"
        raise SpatempoError(
            f"{os.fspath(path)}: cannot be read as scores ({reason.splitlines()[0]}); `test --scores` writes such"
        ) from error
    result = measure(
        scores,
        labels,
        classes,
        indices=indices,
        **{key: facts[key] for key in _FACTS if key in facts},
    )
    result.paths = [] if None in paths else paths
    return result


def _utf8(name: str) -> str:
    """A name with bytes that are not UTF-8 (of an old file system) escaped, since parquet takes no others."""
    return name.encode("utf-8", "backslashreplace").decode()
