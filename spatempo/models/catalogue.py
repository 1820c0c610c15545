"""The catalogue that `spatempo models` lists, read from a file so that torch need not be imported.

``catalogue.json`` has one row per model. After a change of designs or backbones, update it with::

    python -m spatempo.models.catalogue

A test compares the file with newly counted figures.
"""

from __future__ import annotations

import fnmatch
import json
import sys
from pathlib import Path
from typing import Any

from spatempo.files import write_atomic

FILE = Path(__file__).with_name("catalogue.json")


def catalogue(pattern: str = "*") -> list[dict[str, Any]]:
    """Rows ``name, operator, backbone, causal, params, macs, source`` of the models that match a glob, sorted by name.

    Figures are for 8 frames of 224 x 224 (``inception_v3``: 229 x 229) and 400 classes. Figures of designs registered
    outside spatempo are counted at each call.
    """
    rows = {row["name"]: row for row in json.loads(FILE.read_text(encoding="utf-8"))}
    if "spatempo.models.design" in sys.modules:  # else no file that registers a design has been imported
        from spatempo.models.info import catalogue_row
        from spatempo.models.registry import list_models

        rows |= {name: catalogue_row(name) for name in list_models(pattern) if name not in rows}
    return [rows[name] for name in sorted(fnmatch.filter(rows, pattern))]


def write() -> Path:
    """Counts the figures of all built-in models and writes ``catalogue.json``. Takes some seconds."""
    from spatempo.models.info import catalogue_row
    from spatempo.models.registry import list_models

    lines = ",\n".join(json.dumps(catalogue_row(name), ensure_ascii=False) for name in list_models())
    return write_atomic(FILE, f"[\n{lines}\n]\n")


if __name__ == "__main__":
    print(write())
