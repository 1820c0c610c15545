"""One look for every picture, and the way from a matplotlib figure to a page or a file.

Figures are drawn on :class:`matplotlib.figure.Figure` with no pyplot and inside ``rc_context``, so a caller's own
matplotlib settings are neither used nor changed. Colours are Okabe and Ito's, told apart by colour-blind readers too.

Every chart comes in two widths, drawn and not merely scaled: a chart shrunk to a phone has letters nobody can read.
"""

from __future__ import annotations

import base64
import html
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave

from spatempo.files import write_whole

COLORS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6B6B6B")
LIGHT = ("#CC79A7", "#E69F00", "#56B4E9")  # of these, the ones that need dark letters
INK, MUTED, GRID = "#1d2329", "#5b6670", "#e3e7ea"
WIDE, NARROW = 9.2, 3.5  # inches; at 96 pixels an inch about 880 and 336 pixels, a laptop's column and a phone's

_LOOK = {
    "font.family": "DejaVu Sans",  # matplotlib brings it; the page replaces it by the reader's own (see page.css)
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "xtick.color": MUTED,
    "ytick.color": INK,
    "xtick.labelsize": 9,
    "text.parse_math": False,  # a class may be called "$5 note"
    "svg.fonttype": "none",  # letters stay letters: any script, selectable, small
    "figure.dpi": 96,
}


def color(i: int) -> str:
    """Colour of the i-th model; repeats after seven."""
    return COLORS[i % len(COLORS)]


def percent(share: float) -> str:
    """A share as people read it."""
    return f"{100 * share:.1f}\u00a0%"


@contextmanager
def look() -> Iterator[None]:
    """The settings all figures are drawn with; restores the caller's."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # DejaVu lacks some scripts; the reader's fonts have them, only the measured width is a guess
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        plain = {k: v for k, v in matplotlib.rcParamsDefault.items() if not k.startswith("backend")}
        matplotlib.rcParams.update(cast(Any, {**plain, **_LOOK}))
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, inches. Call inside :func:`look`."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def settle(figure: Figure) -> Figure:
    """Finds the layout and keeps it. Call inside :func:`look`, when all is drawn.

    Two passes: in the first, an axes of fixed proportions shrinks only after the room for its labels was given out.
    """
    figure.draw_without_rendering()
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def svg(figure: Figure, label: str, prefix: str) -> str:
    """An inline ``<svg>`` that scales with its box.

    Args:
        figure: drawn inside :func:`look`.
        label: what a screen reader says.
        prefix: of the ids in the drawing; several drawings share a page and theirs must differ.
    """
    buffer = io.StringIO()
    with look():
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    # matplotlib's ids are random or the same in every drawing
    names = {name: f"{prefix}-{i}" for i, name in enumerate(re.findall(r'\bid="([^"]+)"', text))}
    text = re.sub(r'\bid="([^"]+)"', lambda m: f'id="{names[m[1]]}"', text)
    text = re.sub(r'(url\(#|href="#)([^)"]+)', lambda m: m[1] + names.get(m[2], m[2]), text)
    text = re.sub(r'^<svg\b[^>]*?(viewBox="[^"]*")[^>]*>', r"<svg \1>", text)
    start = f'<svg xmlns:xlink="http://www.w3.org/1999/xlink" role="img" aria-label="{html.escape(label)}" '
    return text.replace("<svg ", start, 1)


def png_data(image: np.ndarray) -> str:
    """A ``data:`` address of a PNG.

    Args:
        image: uint8 ``[H, W, 3]``, RGB.
    """
    buffer = io.BytesIO()
    imsave(buffer, np.ascontiguousarray(image), format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def save_png(figure: Figure, path: str | Path, *, dpi: int = 160) -> Path:
    """Writes a figure as a PNG file, for a README; white ground, atomically."""
    buffer = io.BytesIO()
    with look():
        figure.savefig(buffer, format="png", dpi=dpi, facecolor="white")
    return write_whole(path, buffer.getvalue())
