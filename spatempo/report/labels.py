"""Names beside the points of a chart, none over another, each with a thin line to its point if it had to move away."""

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
_FAR = 10.0  # from here on, in pixels, a line leads to the name
_ROUNDS = 6


def label_points(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    *,
    bold: Sequence[bool] = (),
    avoid: Sequence[tuple[float, float, float, float]] = (),
    size: float = 8.5,
) -> None:
    """Writes each name near its point: the place with the least overlap, and among those the nearest.

    Names are placed one after the other and then again, each with all the others in place. Call when the layout is
    settled: places are in pixels.

    Args:
        axes: limits must not change any more.
        points: of every name, in pixels.
        names: as written.
        bold: which are in bold letters; empty: none.
        avoid: boxes (left, bottom, right, top) in pixels that names keep off; to overlap a name is worse.
        size: of the letters, points.
    """
    heavy = list(bold) or [False] * len(names)
    ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.4}  # where a line goes through
    texts = [
        axes.text(
            0, 0, name, size=size, color=INK, weight="bold" if fat else "normal", va="bottom", zorder=2.5, bbox=ground
        )
        for name, fat in zip(names, heavy, strict=True)
    ]
    extents = [text.get_window_extent() for text in texts]
    sizes = [(box.width, box.height) for box in extents]
    inside = np.array(axes.get_window_extent().extents)
    hard = np.asarray(avoid, float).reshape(-1, 4)
    places: list[np.ndarray | None] = [None] * len(names)
    crowded = sorted(range(len(names)), key=lambda i: -_neighbours(points, i))
    for _ in range(_ROUNDS):
        for i in crowded:
            others = np.array([box for j, box in enumerate(places) if box is not None and j != i]).reshape(-1, 4)
            places[i] = _best(points[i], sizes[i], others, hard, inside)
    to_data = axes.transData.inverted()
    for text, point, box in zip(texts, points, places, strict=True):
        assert box is not None
        x, y = to_data.transform((box[0], box[1]))
        text.set_position((float(x), float(y)))
        nearest = np.clip(point, box[:2], box[2:])
        if np.hypot(*(nearest - point)) > _FAR:
            ends = to_data.transform(np.array([point, nearest]))
            axes.plot(ends[:, 0], ends[:, 1], color=MUTED, linewidth=0.6, zorder=1)


def _best(
    point: tuple[float, float], size: tuple[float, float], others: np.ndarray, hard: np.ndarray, inside: np.ndarray
) -> np.ndarray:
    """The box of least cost around `point`."""
    boxes, far = [], []
    for distance in _DISTANCES:
        for right, up in _DIRECTIONS:
            x, y = point[0] + distance * right, point[1] + distance * up
            left = x - size[0] * (1 - right) / 2  # straight above it stands in the middle, beside it at its edge
            bottom = y - size[1] * (1 - up) / 2
            boxes.append((left, bottom, left + size[0], bottom + size[1]))
            far.append(distance + 2 * abs(up))
    found = np.array(boxes)
    out = np.clip(inside[:2] - found[:, :2], 0, None).sum(1) + np.clip(found[:, 2:] - inside[2:], 0, None).sum(1)
    area = size[0] * size[1]
    cost = 3000 * overlap(found, others) / area + 250 * overlap(found, hard) / area + 20 * out + np.array(far)
    return found[cost.argmin()]


def overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Area that each of ``[N, 4]`` has in common with ``[M, 4]`` together, ``[N]``."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.clip(high - low, 0, None).prod(2).sum(1)


def _neighbours(points: Sequence[tuple[float, float]], i: int) -> int:
    return sum(abs(x - points[i][0]) < 40 and abs(y - points[i][1]) < 15 for x, y in points)
