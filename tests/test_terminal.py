"""Terminal output: control characters in external names are escaped, and all programs print with one function."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from spatempo.learning.progress import RunProgress
from spatempo.terminal import print_line, settings_named, visible

SOURCE = Path(__file__).resolve().parents[1] / "spatempo"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain é 漢字 🙂.mp4", "plain é 漢字 🙂.mp4"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("a\nb\rc\td\x07", r"a\nb\rc\td\x07"),
        ("\x9b2J", r"\x9b2J"),  # C1: a control sequence introducer
        ("clip\u202egpj.exe\u2066\u200f", r"clip\u202egpj.exe\u2066\u200f"),
        ("a\u2028b", r"a\u2028b"),
        ("bytes \udcff", r"bytes \udcff"),  # a byte of a file name that is not UTF-8; printing it fails
    ],
)
def test_visible(text: str, seen: str) -> None:
    assert visible(text) == seen


def test_say_prints_one_encodable_line() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    print_line("a\nb \udcff", out)
    out.seek(0)
    assert out.read() == "a\\nb \\udcff\n"


def test_settings_are_renamed_within_the_block_only(capsys: pytest.CaptureFixture[str]) -> None:
    with settings_named(lambda text: text.replace("`lr`", "--lr")):
        print_line("lower `lr`")
        RunProgress(1, 1, 1).say("lower `lr` \x1b[2J")
    print_line("lower `lr`")
    captured = capsys.readouterr()
    assert captured.out == "lower --lr\nlower `lr`\n"
    assert captured.err == "lower --lr \\x1b[2J\n"


def test_all_output_is_printed_by_safe_functions() -> None:
    """Lines that call `print` directly: JSON (escaped by json), tables of escaped cells, and the help text."""
    files = [
        *(SOURCE / "cli").glob("*.py"),
        *(SOURCE / "learning").glob("*.py"),
        *(SOURCE / "evaluation").glob("*.py"),
    ]
    found = {
        f"{path.parent.name}/{path.name}: {line.strip()}"
        for path in files
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.match(r"\s*(self\.)?(console\.)?print\(", line) or "sys.stderr.write" in line
    }
    assert {line.partition(":")[0] for line in found} == {"cli/main.py", "cli/output.py", "learning/progress.py"}
    assert all("print(_help" in line for line in found if line.startswith("cli/main.py"))
    assert all("safe_line(" in line for line in found if line.startswith("learning/"))
