"""Videos of a single grey level each, as frame folders: results can be computed by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from spatempo.data.manifest import Manifest, Sample

CLASSES = ("dark", "bright")


def grey_videos(root: Path, *levels: int | None) -> Manifest:
    """Creates a folder of three equal frames of 8x8 pixels per level 0..255; None gives a folder without frames."""
    for i, level in enumerate(levels):
        folder = root / f"{i}"
        folder.mkdir(parents=True)
        for t in range(3 if level is not None else 0):
            Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(folder / f"img_{t + 1:05d}.png")
    samples = tuple(Sample(str(root / f"{i}"), int((level or 0) > 127)) for i, level in enumerate(levels))
    return Manifest(str(root), root, samples, CLASSES, template="img_{:05d}.png")
