"""Parsing of flag values, and formatting of results."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatempo.cli.output import count, percent, plain, print_json, print_table, print_unreadable
from spatempo.cli.parse import one_line
from spatempo.cli.values import parse_options, parse_rgb, parse_value
from spatempo.errors import SpatempoError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8", 8),
        ("-3", -3),
        ("0.125", 0.125),
        ("1e-3", 0.001),
        ("1/8", 0.125),
        ("-1/4", -0.25),
        ("true", True),
        ("False", False),
        ("null", None),
        ("None", None),
        ("merge", "merge"),
        ("NaN", "NaN"),  # not a JSON number, so it is text
        ('"8"', "8"),
        ("[1, 2]", [1, 2]),
        ("", ""),
        ("1/8/2", "1/8/2"),
    ],
)
def test_values(text, value):
    assert parse_value(text) == value
    assert type(parse_value(text)) is type(value)


@given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans()))
def test_numbers_are_parsed_exactly(value):
    assert parse_options([f"x={json.dumps(value)}"]) == {"x": value}


def test_options():
    assert parse_options(["p=1/8", "form=merge", "shift-div=4", "p=0"]) == {"p": 0, "form": "merge", "shift_div": 4}
    assert parse_options(["text=a=b"]) == {"text": "a=b"}


@pytest.mark.parametrize("pair", ["p", "=3", "1p=3", "p q=3", "p=1/0"])
def test_errors_name_the_invalid_option(pair):
    with pytest.raises(SpatempoError, match=pair.replace("=1/0", "|1/0")):
        parse_options([pair])


def test_rgb():
    assert parse_rgb("--mean", None) is None
    assert parse_rgb("--mean", "0.5,0.25,1") == (0.5, 0.25, 1.0)
    assert parse_rgb("--mean", "0.5 0.25 1") == (0.5, 0.25, 1.0)
    for bad in ("0.5", "a,b,c", "1,2,3,4", ""):
        with pytest.raises(SpatempoError, match="--mean"):
            parse_rgb("--mean", bad)


def test_json_output_is_valid(capsys):
    print_json({"a": np.float32(0.5), "b": np.arange(3), "c": (Path("x"), math.inf, math.nan), 1: True, "ü": "\udc80"})
    assert json.loads(capsys.readouterr().out) == {
        "a": 0.5,
        "b": [0, 1, 2],
        "c": ["x", None, None],
        "1": True,
        "ü": "\udc80",
    }
    with pytest.raises(TypeError, match="object"):
        plain(object())


def test_table_in_a_pipe_cuts_nothing_off_and_ignores_markup(capsys):
    long = "/videos/" + "x" * 500 + ".mp4"
    print_table(["video", "label", "n"], [(long, "[red]:smile:", 3), ("b", None, 0.12345)])
    text = capsys.readouterr().out
    assert long in text
    assert "[red]:smile:" in text
    assert "0.123" in text


@pytest.mark.parametrize(
    ("value", "text"), [(23_864_558, "23.86M"), (32.7e9, "32.70G"), (999, "999"), (4500, "4.50k"), (None, None)]
)
def test_counts(value, text):
    assert count(value) == text


def test_percent():
    assert percent(0.9444) == "94.4%"
    assert percent(float("nan")) is None
    assert percent(None) is None


def test_unreadable_videos_are_listed(capsys):
    print_unreadable([])
    assert capsys.readouterr().out == ""
    print_unreadable([{"path": "a b.mp4", "reason": "no video stream"}])
    assert capsys.readouterr().out == "1 video cannot be read:\n  a b.mp4: no video stream\n"


def test_one_line_of_an_empty_box_is_a_message():
    assert one_line("") == "invalid command line"
