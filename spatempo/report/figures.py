"""Common style of all figures, and their conversion to SVG and PNG.

Figures are drawn on :class:`matplotlib.figure.Figure` without pyplot and inside ``rc_context``, so the matplotlib
settings of the caller are neither used nor changed. Colours are those of Okabe and Ito, which colour-blind readers can
distinguish.

Every chart is drawn in two widths: a wide chart scaled down to the width of a phone would be unreadable.
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

from spatempo.files import write_atomic

COLORS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6B6B6B")
LIGHT = ("#CC79A7", "#E69F00", "#56B4E9")  # the colours on which text must be dark
INK, MUTED, GRID = "#1d2329", "#5b6670", "#e3e7ea"
WIDE, NARROW = 9.2, 3.5  # inches; at 96 pixels per inch about 880 and 336 pixels, for laptops and for phones

_STYLE = {
    "font.family": "DejaVu Sans",  # included in matplotlib; the page replaces it by a system font (see style.py)
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
    "svg.fonttype": "none",  # text remains text: any script, selectable, small files
    "figure.dpi": 96,
}


def color(i: int) -> str:
    """Colour of the i-th model; repeats after seven."""
    return COLORS[i % len(COLORS)]


def percent(fraction: float) -> str:
    """A fraction in per cent, such as ``12.3 %`` (with a non-breaking space)."""
    return f"{100 * fraction:.1f}\u00a0%"


@contextmanager
def figure_style() -> Iterator[None]:
    """Applies the matplotlib settings of all figures; restores those of the caller on exit."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # DejaVu lacks some scripts. The system fonts of the reader have them; only the measured width is approximate.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        plain = {k: v for k, v in matplotlib.rcParamsDefault.items() if not k.startswith("backend")}
        matplotlib.rcParams.update(cast(Any, {**plain, **_STYLE}))
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure; width and height in inches. Call inside :func:`figure_style`."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def fix_layout(figure: Figure) -> Figure:
    """Computes the layout and fixes it. Call inside :func:`figure_style`, after everything is drawn.

    Two passes are needed: in the first one, axes with a fixed aspect ratio shrink only after the space for their labels
    has been assigned.
    """
    figure.draw_without_rendering()
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def svg(figure: Figure, label: str, prefix: str) -> str:
    """An inline ``<svg>`` that scales with its container.

    Args:
        figure: drawn inside :func:`figure_style`.
        label: text for screen readers.
        prefix: prefix of the ids in the drawing; the ids of all drawings on a page must differ.
    """
    buffer = io.StringIO()
    with figure_style():
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    # the ids of matplotlib are random, or the same in every drawing
    names = {name: f"{prefix}-{i}" for i, name in enumerate(re.findall(r'\bid="([^"]+)"', text))}
    text = re.sub(r'\bid="([^"]+)"', lambda m: f'id="{names[m[1]]}"', text)
    text = re.sub(r'(url\(#|href="#)([^)"]+)', lambda m: m[1] + names.get(m[2], m[2]), text)
    text = re.sub(r'^<svg\b[^>]*?(viewBox="[^"]*")[^>]*>', r"<svg \1>", text)
    start = f'<svg xmlns:xlink="http://www.w3.org/1999/xlink" role="img" aria-label="{html.escape(label)}" '
    return text.replace("<svg ", start, 1)


def png_data(image: np.ndarray) -> str:
    """A ``data:`` URL of a PNG.

    Args:
        image: uint8 ``[H, W, 3]``, RGB.
    """
    buffer = io.BytesIO()
    imsave(buffer, np.ascontiguousarray(image), format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def save_png(figure: Figure, path: str | Path, *, dpi: int = 160) -> Path:
    """Writes a figure as a PNG file with a white background, atomically."""
    buffer = io.BytesIO()
    with figure_style():
        figure.savefig(buffer, format="png", dpi=dpi, facecolor="white")
    return write_atomic(path, buffer.getvalue())
