"""Names with terminal control characters: escaped in text output, unchanged in JSON and in pages."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from spatempo.cli.main import main
from spatempo.report.html import cards, heading, prediction_list, section, table

ESC = "\x1b"
RED = f"{ESC}[31mred\u202e"
NAMES = (f"bad{ESC}]0;title\a.mp4", "two\nlines\r.mp4", "bytes\udcff.mp4")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="such names are not allowed there")


@pytest.fixture(scope="module")
def named(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes and videos whose names contain control characters; one video is unreadable."""
    root = tmp_path_factory.mktemp("named")
    videos = sorted((data / "videos" / "train" / "red_disc").glob("*.mp4"))
    for label in (RED, "blue"):
        (root / label).mkdir()
        for video in videos:
            shutil.copy(video, root / label / video.name)
    shutil.copytree(root / "blue", root / "old\udcff")
    (root / "blue" / NAMES[0]).write_text("no video")
    for name in NAMES[1:]:
        shutil.copy(videos[0], root / "blue" / name)
    return root


def check(captured: tuple[str, str]) -> None:
    for text in captured:
        lines = text.splitlines()
        assert all(line.isprintable() for line in lines), [line for line in lines if not line.isprintable()]
        text.encode()  # no surrogates


def test_every_command_escapes(named, tmp_path, capsys, document):
    run = tmp_path / f"run{ESC}[2J"
    small = ("--size", 32, "--frames", 2, "--epochs", 1, "--batch-size", 4, "--workers", 0)
    lines = [
        ("data", "scan", named, "--workers", 1),
        ("train", named, "--model", "tsm_smallresnet", *small, "--out", run),  # stops at the unreadable video
        ("train", named, "--model", "tsm_smallresnet", *small, "--out", run, "--max-unreadable", 0.5),
        ("test", run / "best", named, "--workers", 0),
        ("predict", run / "best", named / "blue"),
        ("predict", run / "best", f"no such{ESC}[31m.mp4"),
        ("info", f"tsm{ESC}[31m"),
        (f"tra{ESC}[31min",),
        ("predict", run / "best", "v.mp4", f"--tpo{ESC}[31m"),
    ]
    for words in lines:
        assert main([*map(str, words)]) in (0, 2)
        check(capsys.readouterr())
    assert main(["test", str(run / "best"), str(named), "--workers", "0"]) == 0
    captured = capsys.readouterr()
    assert r"\x1b[31mred\u202e" in captured.out
    assert r"bad\x1b]0;title\x07.mp4" in captured.out
    found = document("test", run / "best", named, "--workers", 0)
    assert {RED, "old\udcff"} < set(found["per_class"])  # unchanged in JSON, which has its own escapes
    pytest.importorskip("pyarrow")
    from spatempo.evaluation.results.score_files import read_scores

    document("test", run / "best", named, "--workers", 0, "--scores", tmp_path / "scores.parquet")
    assert read_scores(tmp_path / "scores.parquet").top1 == found["top1"]


def test_pages_are_escaped():
    label = "<script>alert('&')</script>"
    for html in (
        heading(label, [label]),
        section(label, label, ""),
        cards(label, [(label, label, label, "red")]),
        table([[label, label], [label, label]]),
        prediction_list(label, [(label, label)]),
    ):
        assert "<script" not in html
        assert "&lt;script&gt;" in html
