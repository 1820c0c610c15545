"""Draws a contact sheet: one clip of every pair and control class in one image.

python -m spatempo.data.generated.sheet OUT.png [--preset standard] [--seed 0]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from spatempo.data.generated.make import Source
from spatempo.data.generated.presets import PRESETS, Preset, get_preset
from spatempo.data.generated.scenes import render
from spatempo.errors import SpatempoError

_LINE = 15  # height of the class names above each strip, pixels
_SHOWN = 8  # frames of a clip, sampled as 8 segments


def sheet(preset: Preset, seed: int = 0, number: int = 0) -> Image.Image:
    """Draws strips of ``_SHOWN`` frames with the class that they show from left to right and, for a pair, reversed."""
    units = (*preset.pairs, *preset.controls)
    side = preset.size
    picture = Image.new("RGB", (_SHOWN * side, len(units) * (side + _LINE)), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(size=11)
    centres = ((np.arange(_SHOWN) + 0.5) * preset.frames / _SHOWN).astype(int)
    for row, unit in enumerate(units):
        top = row * (side + _LINE)
        source = Source(unit, "train", number)
        frames = render(unit, preset, source.seed(seed))[centres]
        picture.paste(Image.fromarray(np.concatenate(list(frames), axis=1)), (0, top + _LINE))
        pen.text((2, top + 1), f"{source.labels[0]} >" if len(source.labels) > 1 else unit, "black", font)
        if len(source.labels) > 1:
            pen.text((_SHOWN * side - 2, top + 1), f"< {source.labels[1]}", "black", font, anchor="ra")
    return picture


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the contact sheet; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m spatempo.data.generated.sheet", description="Draws a contact sheet of the data set."
    )
    parser.add_argument("out", help="PNG file to write")
    parser.add_argument("--preset", default="standard", help=f"one of {', '.join(PRESETS)} (default: %(default)s)")
    parser.add_argument(
        "--size", type=int, default=64, help="height and width of a frame in pixels (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    given = parser.parse_args(arguments)
    try:
        picture = sheet(get_preset(given.preset, size=given.size), given.seed)
        # a palette reduces the file size to a third
        palette = picture.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        palette.save(given.out, format="PNG", optimize=True)
    except (SpatempoError, OSError) as error:
        print(f"{given.out}: {error}" if isinstance(error, OSError) else error, file=sys.stderr)
        return 2
    print(f"{given.out}: {os.path.getsize(given.out) // 1024} KB", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
