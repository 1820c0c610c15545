"""Names next to the points of a chart, without overlap; a thin line joins a point and a name that is far from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from spatempo.report.figures import INK, MUTED

_DISTANCES = (
    7,
    12,
    18,
    25,
    34,
    44,
    56,
    70,
    86,
    104,
    124,
    146,
    170,
)  # pixels from a point to the nearest edge of its name
_DIRECTIONS = [(np.cos(a), np.sin(a)) for a in np.linspace(0, 2 * np.pi, 16, endpoint=False)]  # to the right first
_LINE_FROM = 10.0  # pixels; a name at a larger distance gets a line to its point
_PASSES = 6


def label_points(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    *,
    bold: Sequence[bool] = (),
    avoid: Sequence[tuple[float, float, float, float]] = (),
    size: float = 8.5,
) -> None:
    """Writes each name near its point, at the nearest position with the least overlap.

    Names are placed one after the other, in several passes, so that each is placed with all others known. Call this
    after the layout is fixed, since positions are in pixels.

    Args:
        axes: axes whose limits no longer change.
        points: position of the point of every name, in pixels.
        names: text of the names.
        bold: whether each name is bold; empty: none is.
        avoid: boxes (left, bottom, right, top) in pixels that names should not cover; covering another name is worse.
        size: font size in points.
    """
    heavy = list(bold) or [False] * len(names)
    white = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.4}  # readable on top of lines
    texts = [
        axes.text(
            0,
            0,
            name,
            size=size,
            color=INK,
            weight="bold" if fat else "normal",
            va="bottom",
            zorder=2.5,
            bbox=white,
        )
        for name, fat in zip(names, heavy, strict=True)
    ]
    extents = [text.get_window_extent() for text in texts]
    sizes = [(box.width, box.height) for box in extents]
    inside = np.array(axes.get_window_extent().extents)
    hard = np.asarray(avoid, float).reshape(-1, 4)
    boxes: list[np.ndarray | None] = [None] * len(names)
    crowded = sorted(range(len(names)), key=lambda i: -_neighbours(points, i))
    for _ in range(_PASSES):
        for i in crowded:
            others = np.array([box for j, box in enumerate(boxes) if box is not None and j != i]).reshape(-1, 4)
            boxes[i] = _best_box(points[i], sizes[i], others, hard, inside)
    to_data = axes.transData.inverted()
    for text, point, box in zip(texts, points, boxes, strict=True):
        assert box is not None
        x, y = to_data.transform((box[0], box[1]))
        text.set_position((float(x), float(y)))
        nearest = np.clip(point, box[:2], box[2:])
        if np.hypot(*(nearest - point)) > _LINE_FROM:
            ends = to_data.transform(np.array([point, nearest]))
            axes.plot(ends[:, 0], ends[:, 1], color=MUTED, linewidth=0.6, zorder=1)


def _best_box(
    point: tuple[float, float], size: tuple[float, float], others: np.ndarray, hard: np.ndarray, inside: np.ndarray
) -> np.ndarray:
    """The box with the lowest cost near `point`."""
    boxes, far = [], []
    for distance in _DISTANCES:
        for right, up in _DIRECTIONS:
            x, y = point[0] + distance * right, point[1] + distance * up
            left = x - size[0] * (1 - right) / 2  # centred above or below the point, aligned at its left or right
            bottom = y - size[1] * (1 - up) / 2
            boxes.append((left, bottom, left + size[0], bottom + size[1]))
            far.append(distance + 2 * abs(up))
    found = np.array(boxes)
    out = np.clip(inside[:2] - found[:, :2], 0, None).sum(1) + np.clip(found[:, 2:] - inside[2:], 0, None).sum(1)
    area = size[0] * size[1]
    cost = 3000 * overlap(found, others) / area + 250 * overlap(found, hard) / area + 20 * out + np.array(far)
    return found[cost.argmin()]


def overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Total overlap of each of the boxes ``[N, 4]`` with all `others` ``[M, 4]``: ``[N]``."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.clip(high - low, 0, None).prod(2).sum(1)


def _neighbours(points: Sequence[tuple[float, float]], i: int) -> int:
    return sum(abs(x - points[i][0]) < 40 and abs(y - points[i][1]) < 15 for x, y in points)
