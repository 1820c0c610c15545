"""Every numeric flag of every command: a value out of range is reported on one line with the flag, before any work."""

from __future__ import annotations

import importlib
import math
import typing
from dataclasses import MISSING, fields, is_dataclass

import pytest

from spatempo.cli.main import COMMANDS
from spatempo.limits import LIMITS

REQUIRED = {  # required arguments of each command
    "train": ("DATA", "--model", "tsm_smallresnet"),
    "test": ("CK", "DATA"),
    "predict": ("CK", "VIDEO"),
    "diagnose": ("CK", "DATA"),
    "compare": ("DATA", "--models", "tsm_smallresnet"),
    "info": ("tsm_smallresnet",),
    "data make": ("OUT",),
    "data scan": ("DATA",),
}


def numbers(options: type) -> dict[str, type]:
    """Name and type of every numeric flag."""
    hints = typing.get_type_hints(options)
    found: dict[str, type] = {}
    for field in fields(options):
        inner = field.default_factory
        if inner is not MISSING and is_dataclass(inner):
            found |= numbers(inner)  # type: ignore[arg-type]
        for kind in (int, float):
            if kind in (hints[field.name], *typing.get_args(hints[field.name])):
                found[field.name] = kind
    return found


FLAGS = [
    (command, name, kind)
    for command in REQUIRED
    for name, kind in numbers(importlib.import_module("spatempo.cli." + command.replace(" ", "_")).Options).items()
]


def test_every_command_with_numeric_flags_is_tested() -> None:
    for command in set(COMMANDS) - set(REQUIRED):
        assert not numbers(importlib.import_module("spatempo.cli." + command.replace(" ", "_")).Options)
    assert len(FLAGS) >= 38


@pytest.mark.parametrize(("command", "name", "kind"), FLAGS)
def test_out_of_range(command, name, kind, failure, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    limit, flag = LIMITS[name], "--" + name.replace("_", "-")
    bad = [limit.low - 1, limit.high + 1, -(10**30), 10**30]
    if kind is float:
        bad += [math.nan, math.inf, -math.inf]
    for value in bad:
        line = failure(*command.split(), *REQUIRED[command], f"{flag}={value}")
        assert f"error: {flag} {float(value) if kind is float else value}: give a " in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("train", "DATA", "--model", "tsm_smallresnet", "--size", 99999999), "--size 99999999: give a whole number"),
        (("info", "tsm_smallresnet", "--frames", 100000000), "--frames 100000000: give a whole number"),
        (("data", "make", "OUT", "--workers", 0), "--workers 0: give a whole number from 1 to 512"),
        (("predict", "CK", "V", "--crops", 0), "--crops 0: give"),
        (
            ("train", "D", "--model", "tsm_smallresnet", "--mean", "nan,0,0"),
            "--mean nan: give a number",
        ),
        (("train", "D", "--model", "tsm_smallresnet", "--std", "58.4,57.1,57.4"), "divide those for 0..255 by 255"),
        (("train", "D", "--model", "tsm_smallresnet", "--set", "clip_norm=-1"), "--set clip_norm=-1: give a number"),
        (("train", "D", "--model", "tsm_smallresnet", "--set", "steps=0.5"), "--set steps=0.5: give a list"),
        (("train", "D", "--model", "tsm_smallresnet", "--set", "flip=up"), "--set flip=up: choose from none, plain"),
        (
            ("compare", "D", "--models", "tsm_smallresnet", "--budget", "epochs=99999999"),
            "99999999': epochs must be",
        ),
    ],
)
def test_examples(words, message, failure, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in failure(*words)
