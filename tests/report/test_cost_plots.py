"""Charts of cost and accuracy: the Pareto front, points and names without overlap, and the text of the page."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatempo.report.comparison_page import ModelResult, write_report
from spatempo.report.cost_plots import accuracy_by_cost, amount, pareto_front
from spatempo.report.figures import NARROW, WIDE
from spatempo.report.gain_plots import class_gain, gains, order_bars
from spatempo.report.tables import shown


@pytest.mark.parametrize(
    ("costs", "accuracies", "front"),
    [
        ([1, 2, 3], [0.5, 0.9, 0.8], [True, True, False]),
        ([1, 1, 2], [0.5, 0.5, 0.5], [True, True, False]),  # equal in both: both are on the front
        ([1, 1], [0.5, 0.6], [False, True]),  # more accurate at the same cost
        ([1, 2], [0.5, 0.5], [True, False]),  # as accurate at a lower cost
        ([3, 2, 1], [0.1, 0.2, 0.3], [False, False, True]),
        ([7], [0.0], [True]),
    ],
)
def test_pareto_front(costs, accuracies, front):
    assert pareto_front(costs, accuracies) == front


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=12))
def test_every_point_off_the_front_is_beaten_by_a_point_on_it(points):
    costs, accuracies = zip(*points, strict=True)
    front = pareto_front(costs, accuracies)
    on = [point for point, chosen in zip(points, front, strict=True) if chosen]
    assert on
    for point, chosen in zip(points, front, strict=True):
        beaten = any(c <= point[0] and s >= point[1] and (c, s) != point for c, s in on)
        assert beaten != chosen


def many(count: int) -> tuple[dict, dict]:
    """Typical results: most models have the same cost and nearly the same accuracy."""
    rng = np.random.default_rng(3)
    scores = {f"model-{i}": (0.5 if i % 7 == 0 else 0.97) + rng.uniform(-0.02, 0.02, 3) for i in range(count)}
    macs = {name: 390e6 if i % 2 else 10 ** rng.uniform(7.5, 8.8) for i, name in enumerate(scores)}
    params = {name: 680e3 if i % 3 else 2.1e6 for i, name in enumerate(scores)}
    return scores, {"macs": macs, "params": params, "latency_ms": {name: macs[name] / 2e7 for name in scores}}


@pytest.mark.parametrize(("count", "width"), [(2, NARROW), (5, WIDE), (5, NARROW), (22, WIDE), (22, NARROW)])
def test_names_do_not_overlap_and_stay_in_their_panel(count, width):
    figure = accuracy_by_cost(*many(count), width=width)
    assert len(figure.axes) == 3
    side_by_side = figure.axes[0].get_position().y0 == pytest.approx(figure.axes[1].get_position().y0)
    assert side_by_side == (width == WIDE and count <= 8)
    for axes in figure.axes:
        assert {text.get_text() for text in axes.texts} == {f"model-{i}" for i in range(count)}
        boxes = [text.get_window_extent() for text in axes.texts]
        inside = axes.get_window_extent()
        for box in boxes:
            assert inside.x0 - 3 < box.x0 < box.x1 < inside.x1 + 3
            assert inside.y0 - 3 < box.y0 < box.y1 < inside.y1 + 3
        for a, b in combinations(boxes, 2):
            across, up = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
            assert min(across, up) < 3, "names overlap"  # pixels; the boxes include white margins


def test_seeds_means_spread_and_front_show_the_given_numbers():
    scores = {"cheap": [0.5, 0.7], "good": [0.9, 0.9], "poor": [0.4, 0.5]}
    figure = accuracy_by_cost(scores, {"macs": {"cheap": 1e8, "good": 4e8, "poor": 8e8}})
    (axes,) = figure.axes
    line, *points = axes.lines
    np.testing.assert_allclose(line.get_xydata()[:2], [[1e8, 0.6], [4e8, 0.9]])  # poor is beaten
    assert line.get_drawstyle() == "steps-post"
    means = [p for p in points if len(p.get_xdata()) == 1]
    np.testing.assert_allclose([p.get_xydata()[0] for p in means], [[1e8, 0.6], [4e8, 0.9], [8e8, 0.45]])
    seeds = [p for p in points if len(p.get_xdata()) == 2 and p.get_marker() == "o"]
    np.testing.assert_allclose([p.get_ydata() for p in seeds], list(scores.values()))
    spreads = [c.get_segments()[0] for c in axes.collections]
    np.testing.assert_allclose(spreads[0][:, 1], [0.6 - np.sqrt(0.02), 0.6 + np.sqrt(0.02)])  # n - 1: sqrt(2 * .1^2)
    ringed = [p.get_markeredgecolor() != "white" for p in means]
    assert ringed == [True, True, False]
    assert [text.get_weight() for text in axes.texts] == ["bold", "bold", "normal"]
    assert axes.get_xscale() == "log"


def test_points_of_equal_cost_are_drawn_next_to_each_other():
    scores = {name: [0.9] for name in "abc"} | {"far": [0.2]}
    figure = accuracy_by_cost(scores, {"macs": dict.fromkeys(scores, 1e9)})
    (axes,) = figure.axes
    means = [p.get_xydata()[0] for p in axes.lines if p.get_marker() == "o"]
    pixels = axes.transData.transform(means)[:, 0]
    middle = axes.transData.transform([(1e9, 0.5)])[0, 0]
    np.testing.assert_allclose(np.sort(pixels[:3]) - middle, [0, 10, 20], atol=1e-6)
    assert pixels[3] == pytest.approx(middle)


def test_moved_points_keep_the_order_of_their_costs():
    scores = {"b": [0.5], "dearest": [0.5], "cheapest": [0.5], "far": [0.9]}
    costs = {"b": 677e3, "dearest": 679e3, "cheapest": 654e3, "far": 2e6}
    (axes,) = accuracy_by_cost(scores, {"params": costs}).axes
    places = [p.get_xdata()[0] for p in axes.lines if p.get_marker() == "o"]
    assert places[2] == pytest.approx(654e3)  # the cheapest does not move
    assert places[2] < places[0] < places[1] < places[3]


def test_amounts():
    assert [amount(v, "macs") for v in (3e8, 1.5e9, 700.0)] == ["300 M", "1.5 G", "700"]
    assert amount(12.5, "latency_ms") == "12.5 ms"


# --- gains


def test_classes_are_sorted_by_gain():
    first = {"a": 0.5, "b": 1.0, "c": None, "d": 0.25, "e": 0.9}
    second = {"a": 0.75, "b": 0.5, "c": 0.5, "d": 0.25}
    assert gains(first, second) == [("b", 0.5), ("d", 0.0), ("a", -0.25)]


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_bars_of_gains_and_losses(width):
    first = {"a": 0.5, "b": 1.0, "d": 0.25}
    figure = class_gain(first, {"a": 0.75, "b": 0.5, "d": 0.25}, names=("tsm", "tsn"), width=width)
    (axes,) = figure.axes
    bars = [(p.get_x() + (p.get_width() if p.get_width() < 0 else 0), p.get_width()) for p in axes.patches]
    assert [width for _, width in bars] == [0.5, 0.0, -0.25]
    assert axes.yaxis_inverted()
    texts = [t.get_text() for t in (*axes.texts, *axes.get_yticklabels())]
    assert {"+50.0", "0.0", "−25.0", "a", "b", "d"} <= set(texts)
    unit = "points" if width == NARROW else "percentage points"
    assert " ".join(axes.get_xlabel().split()) == f"tsm minus tsn ({unit})"


def test_with_many_classes_the_largest_gains_and_losses_are_shown():
    first = {f"c{i}": i / 100 for i in range(100)}
    figure = class_gain(first, dict.fromkeys(first, 0.5), names=("x", "y"), max_classes=30)
    bars = [round(p.get_width(), 6) for p in figure.axes[0].patches]
    assert bars == [round(i / 100 - 0.5, 6) for i in (*range(99, 84, -1), *range(14, -1, -1))]
    assert "… 70 classes not shown …" in [t.get_text() for t in figure.axes[0].texts]


def test_drop_when_shuffled():
    values = {"tsn": (0.5, 0.5), "tsm": (0.9, 0.4), "odd": (0.3, 0.5), "still": (0.6, None)}
    (axes,) = order_bars(values).axes
    assert [t.get_text() for t in axes.texts] == ["0.0", "+50.0", "−20.0", "one frame"]
    widths = [round(p.get_width(), 6) for p in axes.patches]
    assert widths == [0.5, 0.5, 0.9, 0.4, 0.3, 0.3, 0.2, 0.6, 0]


# --- the page


def result(name: str, scores: list[float], macs: float, latency: float, shuffled: float | None) -> ModelResult:
    top1 = sum(scores) / len(scores)
    row = {"top1": top1, "shuffled": shuffled, "macs": macs, "latency_ms": latency}
    return ModelResult(name, row, spread={"top1": 0.0123}, scores=scores, per_class={"x": top1, "y": 1 - top1})


def test_the_page_shows_costs_drops_and_gains(tmp_path):
    models = [result("tsn", [0.5, 0.5], 1e9, 9.0, 0.5), result("tsm", [0.9, 0.8], 1e9, 12.0, 0.4)]
    text = write_report(tmp_path / "r.html", "t", "s", models=models, versus=("tsm", "tsn")).read_text()
    assert "Pareto front: MACs per clip: tsm; latency per clip: tsn, tsm" in text
    assert "<td>MACs, latency</td>" in text
    assert "<td>latency</td>" in text
    assert "85.0\u00a0±\u00a01.2 %" in text
    assert "Drop of accuracy when shuffled, in percentage points: tsn 0.0, tsm +45.0" in text
    difference = "Accuracy by class: tsm compared with tsn, difference in percentage points"
    assert f"{difference}: x +35.0, y −35.0" in text


def test_tables_replace_charts_for_many_models(tmp_path):
    models = [result(f"m{i}", [i / 10], 1e9 + i, 9.0, None) for i in range(8)]
    for i, m in enumerate(models):
        m.families, m.pairs = {"direction": i / 10}, {"left_right": i / 10}
        m.confusion, m.classes = [[1, 0], [0, 1]], ["x", "y"]
    text = write_report(
        tmp_path / "r.html", "t", "s", models=models, versus=("m7", "m0"), headline="direction"
    ).read_text()
    assert "class='card'" not in text
    assert text.count("class='accuracies'") == 1
    assert "rgba(0, 114, 178, 0.59)'>70</td>" in text
    assert {f"Confusion matrix of {m.name}" in text for m in models if m.name in ("m0", "m7")} == {True}
    assert not any(f"Confusion matrix of {m.name}" in text for m in models[1:7])


@pytest.mark.parametrize(
    ("key", "value", "spread", "text"),
    [
        ("top1", 0.9734, 0.004, "97.3\u00a0±\u00a00.4 %"),
        ("drop_when_shuffled", 0.371, None, "+37.1"),
        ("drop_when_shuffled", -0.05, 0.01, "−5.0\u00a0±\u00a01.0"),
        ("params", 680_000, None, "0.68 M"),
        ("params", 152_000_000, None, "152.00 M"),
        ("macs", 390e6, None, "0.39 G"),
        ("macs", 30e6, None, "30.00 M"),
    ],
)
def test_units_with_spread(key, value, spread, text):
    assert shown(key, value, spread) == text
