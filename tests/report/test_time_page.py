"""The page of `diagnose`: complete, with escaped text, and with charts that show the given numbers."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from spatempo.report.film import Strip, overlay
from spatempo.report.time_page import p_value_text, receptive_field_text, write_time_page
from spatempo.report.time_plots import accuracy_by_frames, influence_map, interval_dots

EVIL = "<script>alert('x')</script> & \"q\""


def model(name: str, classes: int = 3) -> dict[str, Any]:
    accuracies = {"ordered": 0.9, "shuffled": 0.4, "reversed": 0.1, "frozen": 0.3}
    row = {"n": 10, **accuracies, "ordered_interval": (0.6, 0.98), "shuffled_interval": (0.2, 0.7), "p_value": 0.01}
    field = {"frames": 3, "clip_frames": 4, "past": 1, "future": 1, "own": 0.5, "fractions": np.eye(4).tolist()}
    return {
        "name": name,
        "n": 30,
        "frames": 4,
        **accuracies,
        "shuffled_runs": [0.3, 0.5],
        "intervals": {key: (value - 0.1, value + 0.1) for key, value in accuracies.items()},
        "per_class": {f"{EVIL} {k}": {**row, "ordered": 0.9 - k / 100} for k in range(classes)},
        "confused": [{"classes": [EVIL, "b"], "n": 20, "ordered": 0.0, "shuffled": 0.5, "p_value": 0.0004}],
        "by_frames": [{"frames": t, "top1": 0.2 * t, "interval": (0.2 * t - 0.1, 0.2 * t + 0.1)} for t in (1, 2, 4)],
        "unsupported_frames": {8: "no"},
        "families": {EVIL: {"n": 30, "pairs": True, **accuracies}},
        "receptive_field": field,
    }


NEED = {
    "n": 30,
    "temporal": 0.9,
    "order_blind": 0.5,
    "needs_order": 0.45,
    "interval": (0.3, 0.6),
    "only_order_blind": 0.05,
    "p_value": 0.002,
    "per_group": {EVIL: {"n": 30, "temporal": 0.9, "order_blind": 0.5, "p_value": 0.002}},
    "groups_need_order": [EVIL],
    "temporal_name": "TSM",
    "order_blind_name": EVIL,
}


def strip() -> Strip:
    frames = np.random.default_rng(0).integers(0, 255, (4, 8, 8, 3), dtype=np.uint8)
    return Strip(EVIL, frames, "a", {"in order": "a", "shuffled": EVIL}, np.ones((4, 8, 8)), [0.5, -0.25, 0.001, 0.0])


def write(path: Path, models: list[dict[str, Any]], **given: Any) -> str:
    verdicts = [EVIL] * len(models)
    return write_time_page(path, EVIL, [EVIL, "Two."], models, verdicts=verdicts, **given).read_text(encoding="utf-8")


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()
        self.text = ""
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.names.add(tag)
        if tag not in ("meta", "img", "br", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_all_results_are_on_the_page_and_escaped(tmp_path: Path) -> None:
    page = write(tmp_path / "r.html", [model("TSM"), model(EVIL)], need=NEED, strips=[strip()], notes=[EVIL])
    tags = Tags(page)
    assert not tags.names & {"script", "link", "iframe"}
    assert "<script" not in page
    drawings = re.findall(r"<svg\b.*?</svg>", page, flags=re.DOTALL)
    assert len(drawings) == 2 * 5  # conditions, classes, frames, two fields; for laptops and for phones
    for drawing in drawings:
        ElementTree.fromstring(drawing)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for text in ("90.0\u00a0% → 40.0\u00a0%", "45.0\u00a0%", "30.0 to 60.0\u00a0%", "+40.0", "< 0.001", "Two."):
        assert text in tags.text
    assert "cannot process 8" in tags.text
    assert "up to 1 back and 1 ahead" in tags.text
    assert re.findall(r"<b>([^<]*)</b></figcaption>", page) == ["+50", "−25", "0", "0"]
    assert page.count("class='against' style='width: 25%'") == 1
    assert page.count("<img ") == 8  # each frame and its heat map


def test_one_model_without_families_or_strips(tmp_path: Path) -> None:
    one = {key: value for key, value in model("m").items() if key != "families"} | {"confused": []}
    text = Tags(write(tmp_path / "r.html", [one])).text
    assert "Accuracy by class: m" in text
    for heading in ("Accuracy by family", "needs order", "only order separates", "single videos"):
        assert heading not in text


def test_with_many_classes_those_with_the_largest_drop_are_shown(tmp_path: Path) -> None:
    text = Tags(write(tmp_path / "r.html", [model("m", classes=174)])).text
    assert "Of 174 classes, the first 30 are shown" in text


@pytest.mark.parametrize("width", [9.2, 3.5])
def test_dots_and_intervals_show_the_given_numbers(width: float) -> None:
    values = {"in order": {"a": (0.8, 0.6, 0.9), "b": (1.0, 0.7, 1.0)}, "shuffled": {"a": (0.5, 0.3, 0.7)}}
    axes = interval_dots(values, width=width).axes[0]
    assert [line.get_xdata().tolist() for line in axes.lines] == [[0.8, 1.0], [0.5]]
    segments = [c for c in axes.collections if isinstance(c, LineCollection)]
    assert [[s[:, 0].tolist() for s in c.get_segments()] for c in segments[:2]] == [
        [[0.6, 0.9], [0.7, 1.0]],
        [[0.3, 0.7]],
    ]
    assert [line.get_ydata()[0] for line in axes.lines] == [0, 1]


def test_a_long_legend_does_not_shrink_a_narrow_chart() -> None:
    row = {"in order": (0.8, 0.6, 0.9)}
    widths = [
        interval_dots({f"{name}_1": row, f"{name}_2": row}, numbers=True, width=3.5).axes[0].get_position().width
        for name in ("m", "tsm_efficientnet_b0")
    ]
    assert widths[1] > 0.9 * widths[0]


@pytest.mark.parametrize("width", [9.2, 3.5])
def test_accuracy_by_frames_has_a_logarithmic_axis(width: float) -> None:
    axes = accuracy_by_frames({"m": {1: (0.2, 0.1, 0.3), 8: (0.8, 0.7, 0.9), 2: (0.5, 0.4, 0.6)}}, width=width).axes[0]
    assert axes.lines[0].get_xdata().tolist() == [1, 2, 8]
    assert axes.lines[0].get_ydata().tolist() == [0.2, 0.5, 0.8]
    assert axes.get_xscale() == "log"


def test_frames_without_influence_are_white() -> None:
    axes = influence_map([[0.75, 0.25, 0.0], [0.004, 0.496, 0.5]]).axes[0]
    shown = axes.images[0].get_array()
    assert shown.mask.tolist() == [[False, False, True], [False, False, False]]
    assert [text.get_text() for text in axes.texts] == ["75", "25", "<1", "50", "50"]


def test_overlay() -> None:
    frame = np.full((2, 2, 3), [200, 100, 0], np.uint8)
    heat = np.array([[0.0, 1.0], [0.0, 0.5]])
    drawn = overlay(frame, heat)
    assert drawn[0, 0].tolist() == [118, 118, 118]  # 0.299 x 200 + 0.587 x 100
    assert drawn[0, 1, 0] > 200  # bright
    assert drawn[0, 1, 2] < drawn[0, 0, 2]


@pytest.mark.parametrize(
    ("p_value", "text"), [(0.0, "< 0.001"), (0.00099, "< 0.001"), (0.0123, "0.012"), (0.25, "0.25"), (1.0, "1.00")]
)
def test_p_values_as_text(p_value: float, text: str) -> None:
    assert p_value_text(p_value) == text


def test_receptive_field_as_text() -> None:
    field = {"frames": 1, "clip_frames": 8, "past": 0, "future": 0}
    assert receptive_field_text(field) == "the score of a frame depends only on that frame"
    field |= {"frames": 5, "past": None}
    assert receptive_field_text(field) == "the score at one position depends on 5 of 8 frames"
