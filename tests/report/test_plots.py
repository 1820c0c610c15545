"""Charts show the given numbers."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from spatempo.report.figures import COLORS, NARROW, WIDE, save_png
from spatempo.report.plots import accuracy_bars, confusion_matrix, grouped_order, training_curves

VALUES = {"TSN": {"control": 0.98, "direction": 0.5}, "TSM": {"control": 0.99, "direction": 0.97, "order": 0.7}}


def texts_of(figure: Figure) -> list[str]:
    figure.canvas.draw()
    (axes,) = figure.axes
    return [t.get_text() for t in (*axes.texts, *axes.get_yticklabels(), *axes.get_xticklabels())]


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_bars(width: float) -> None:
    figure = accuracy_bars(VALUES, notes={"order": "A then B"}, width=width)
    bars = [p for p in figure.axes[0].patches if p.get_width() > 0]  # type: ignore[attr-defined]
    lengths = {(COLORS.index(_hex(b)), round(b.get_width(), 6)) for b in bars}  # type: ignore[attr-defined]
    assert lengths == {(0, 0.98), (0, 0.5), (1, 0.99), (1, 0.97), (1, 0.7)}
    texts = texts_of(figure)
    for word in ("98 %", "50 %", "97 %", "70 %", "TSN", "TSM", "A then B"):
        assert any(word in s for s in texts), word
    for group in ("control", "direction", "order"):
        assert any(s.strip() == group for s in texts)
    # from top to bottom in the given order, the models of a group together
    rows = sorted(bars, key=lambda b: b.get_y())  # type: ignore[attr-defined]
    assert [COLORS.index(_hex(b)) for b in rows] == [0, 1, 0, 1, 1]
    assert figure.axes[0].yaxis_inverted()


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("value", [0.02, 0.3, 0.5, 0.7, 1.0])
def test_a_long_name_stays_in_the_drawing(width: float, value: float) -> None:
    figure = accuracy_bars({"tsm_efficientnet_b1-causal": {"x": value}}, chance=None, width=width)
    figure.canvas.draw()
    (axes,) = figure.axes
    assert all(text.get_window_extent().x1 <= width * 96 + 3 for text in axes.texts)
    assert any("tsm_ef" in text.get_text() for text in axes.texts)


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_the_dashed_line_is_at_chance_level(width: float) -> None:
    figure = accuracy_bars(VALUES, chance={"direction": 0.5}, width=width)
    (axes,) = figure.axes
    (line,) = axes.lines
    assert list(line.get_xdata()) == [0.5, 0.5]
    top, bottom = line.get_ydata()
    bars = [p for p in axes.patches if round(p.get_width(), 6) in (0.5, 0.97)]  # type: ignore[attr-defined]
    others = [p for p in axes.patches if p not in bars]
    assert all(top <= b.get_y() and b.get_y() + b.get_height() <= bottom + 1e-9 for b in bars)  # type: ignore[attr-defined]
    assert not any(top < b.get_y() < bottom for b in others)  # type: ignore[attr-defined]
    assert texts_of(figure).count("chance level") == 1
    assert len(accuracy_bars(VALUES, chance=0.5, width=width).axes[0].lines) == 3
    assert not accuracy_bars(VALUES, chance=None, width=width).axes[0].lines


def test_a_missing_value_has_no_bar() -> None:
    figure = accuracy_bars({"a": {"x": None, "y": 0.0}, "b": {"x": 0.4}})
    assert sorted(p.get_width() for p in figure.axes[0].patches) == [0.0, 0.4]  # type: ignore[attr-defined]


def test_confusion_is_normalised_by_row_and_grouped() -> None:
    matrix = [[6, 0, 2], [0, 0, 0], [1, 0, 3]]  # no video of the second class
    figure = confusion_matrix(matrix, ["left", "still", "right"], groups=[("left", "right")], title="TSM", width=4.0)
    (axes,) = figure.axes
    shown = np.ma.filled(axes.images[0].get_array(), np.nan)  # matplotlib masks NaN
    np.testing.assert_allclose(shown, [[0.75, 0.25, 0], [0.25, 0.75, 0], [0, 0, 0]])
    assert [t.get_text().split()[0] for t in axes.get_yticklabels()] == ["left", "right", "still"]
    assert [t.get_text() for t in axes.texts] == ["6", "2", "1", "3"]
    (frame,) = axes.patches
    assert (frame.get_xy(), frame.get_width(), frame.get_height()) == ((-0.5, -0.5), 2, 2)  # type: ignore[attr-defined]


def test_grouped_order_keeps_groups_together() -> None:
    order, blocks = grouped_order(list("abcdef"), [("b", "e"), ("f", "d"), ("a", "no such class")])
    assert order == [0, 1, 4, 2, 5, 3]
    assert blocks == [(1, 2), (4, 2)]
    assert grouped_order(list("ab"), []) == ([0, 1], [])


@pytest.mark.parametrize("count", [1, 16, 41, 174])
@pytest.mark.parametrize("width", [WIDE / 2, NARROW])
def test_any_number_of_classes_fits(count: int, width: float) -> None:
    names = [f"a class with quite a long name, {i}" for i in range(count)]
    figure = confusion_matrix(np.eye(count, dtype=int).tolist(), names, width=width)
    figure.canvas.draw()
    (axes,) = figure.axes
    labels = [t for t in axes.get_yticklabels() if t.get_text()]
    assert len(labels) == (count if count <= 40 else 0)
    boxes = [t.get_window_extent() for t in labels]
    assert all(box.x0 >= 0 for box in boxes)
    if count <= 16:  # names do not overlap
        assert all(abs(a.y0 - b.y0) >= 0.9 * a.height for a, b in pairwise(boxes))
    columns = [t.get_window_extent() for t in axes.get_xticklabels() if t.get_text()]
    if count <= 16:
        assert all(a.x1 <= b.x0 for a, b in pairwise(columns))


def test_training_curves() -> None:
    curves = {
        "TSN": {"epoch": [5, 10], "top-1": [0.2, 0.5], "loss": [2, 1]},
        "TSM": {"top-1": [0.3, None, 0.9]},
    }
    figure = training_curves(curves)
    top, loss = figure.axes
    (tsn, tsm) = top.lines
    np.testing.assert_array_equal(tsn.get_xydata(), [[5, 0.2], [10, 0.5]])
    np.testing.assert_array_equal(tsm.get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(tsm.get_ydata(), [0.3, np.nan, 0.9])
    assert tsn.get_linestyle() != tsm.get_linestyle()
    assert loss.get_title(loc="left") == "loss"
    assert [t.get_text() for t in top.get_legend().get_texts()] == ["TSN", "TSM"]  # type: ignore[union-attr]


def test_save_png_writes_a_white_background(tmp_path: Path) -> None:
    path = save_png(accuracy_bars(VALUES), tmp_path / "figure.png", dpi=50)
    image = imread(path)
    assert image.shape[1] == pytest.approx(WIDE * 50, abs=1)
    assert np.all(image[0, 0, :3] == 1)


def test_the_page_imports_neither_pyplot_nor_torch_nor_other_packages() -> None:
    code = (
        "import sys, spatempo.report.comparison_page as p; p.accuracy_bars({'m': {'x': 0.5}});"
        "bad = {'matplotlib.pyplot', 'torch', 'spatempo.evaluation', 'spatempo.models'} & set(sys.modules);"
        "sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _hex(bar: object) -> str:
    r, g, b, _ = bar.get_facecolor()  # type: ignore[attr-defined]
    return "#{:02X}{:02X}{:02X}".format(*(round(255 * c) for c in (r, g, b)))
