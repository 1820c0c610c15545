"""Charts and sections on attention and gates show the given numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spatempo.report.attention_gates import attention_plot, gate_plot, inside_sections
from spatempo.report.figures import NARROW, WIDE
from spatempo.report.html import Figures


def attention(*temporal: float, spread: float | None = 0.1) -> dict[str, Any]:
    stages = ["layer1"] * 2 + ["layer2"] * 9
    return {
        "layers": [
            {"layer": f"{stage}.{i}", "stage": stage, "temporal": value, "spread": spread}
            for i, (value, stage) in enumerate(zip(temporal, stages, strict=False))
        ]
    }


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_attention_of_several_models(width: float) -> None:
    found = {"p = 1/4": attention(0.4, 0.5, 0.8), "p = 1/2": attention(0.3, 0.2, spread=None)}
    (axes,) = attention_plot(found, width=width).axes
    half, *lines = axes.lines[:3]
    assert list(half.get_ydata()) == [0.5, 0.5]
    assert [line.get_xydata().tolist() for line in lines] == [[[1, 0.4], [2, 0.5], [3, 0.8]], [[1, 0.3], [2, 0.2]]]
    band = axes.collections[0].get_paths()[0].vertices
    for x, low, high in ((1, 0.3, 0.5), (3, 0.7, 0.9)):
        of_layer = band[np.isclose(band[:, 0], x), 1]
        assert (of_layer.min(), of_layer.max()) == (pytest.approx(low), pytest.approx(high))
    (border,) = axes.lines[3:]  # between the second layer and the third
    assert list(border.get_xdata()) == [2.5, 2.5]
    assert [(text.get_text(), text.get_position()[0]) for text in axes.texts] == [("layer1", 1.5), ("layer2", 3)]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["p = 1/4", "p = 1/2"]


@pytest.mark.parametrize("stages", [1, 3])
def test_stages_are_not_marked_if_there_is_one_or_one_per_layer(stages: int) -> None:
    found = attention(0.1, 0.2, 0.3)
    for i, row in enumerate(found["layers"]):
        row["stage"] = f"s{i % stages}"
    (axes,) = attention_plot({"m": found}).axes
    assert not axes.texts
    assert len(axes.lines) == 2


def gates(*openings: tuple[float, float], causal: bool = False, fusion: float | None = None) -> dict[str, Any]:
    more = {} if fusion is None else {"fusion_weight": fusion}
    layers = [
        {
            "layer": f"layer{i}.0.conv1",
            "stage": f"layer{i}",
            "halves": [
                {"source_frame": source, "open": opening, "spread": 0.05}
                for source, opening in zip(("previous" if causal else "next", "previous"), pair, strict=True)
            ],
            **more,
        }
        for i, pair in enumerate(openings)
    ]
    return {"layers": layers, **more}


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_gate_plot_has_one_line_per_half(width: float) -> None:
    (axes,) = gate_plot(gates((0.1, 0.2), (0.7, 0.3)), width=width).axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [[0.1, 0.7], [0.2, 0.3]]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["1st half, from next frame", "2nd half, from previous frame"]


def test_gates_of_a_causal_gsf() -> None:
    (axes,) = gate_plot(gates((0.1, 0.2), causal=True, fusion=0.6)).axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [[0.1], [0.2], [0.6]]
    assert "1st half, from previous frame" in [text.get_text() for text in axes.get_legend().get_texts()]


def test_only_models_with_attention_or_gates_have_sections() -> None:
    numbers = {"n": 9, "temporal": 0.4, "spread": 0.1, "single_branch": 0.2}
    found = attention(0.3, 0.5) | numbers | {"sentence": "<One>", "stages": [{**numbers, "stage": "s", "layers": 2}]}
    opened = gates((0.1, 0.2), fusion=0.6) | {"n": 9, "sentence": "Two.", "open": 0.15}
    for row in opened["layers"]:
        row |= {"open": 0.15, "fully_open": 0.01}
        for half in row["halves"]:
            half["mean"] = -0.123
    models = [{"name": "plain"}, {"name": "A", "attention": found}, {"name": "G", "gates": opened}]
    html = inside_sections(models, Figures())
    assert html.count("<section>") == 2
    assert html.count("<svg ") == 4  # for laptops and for phones
    assert "&lt;One&gt;" in html
    assert "<th>s</th><td>2</td><td>40.0\u00a0%</td><td>10.0</td><td>20.0\u00a0%</td>" in html
    halves = "<td>10.0\u00a0%</td><td>−0.12</td><td>20.0\u00a0%</td><td>−0.12</td>"
    assert f"{halves}<td>1.0\u00a0%</td><td>60.0\u00a0%</td>" in html
    one_video = found | {"spread": None}
    assert "<td>–</td>" in inside_sections([{"name": "A", "attention": one_video}], Figures())
    assert not inside_sections(models[:1], Figures()).strip()
