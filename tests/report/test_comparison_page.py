"""The page of a comparison: self-contained, with escaped text, and written atomically."""

from __future__ import annotations

import base64
import errno
import io
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread

from spatempo.errors import SpatempoError
from spatempo.report.comparison_page import ModelResult, Strip, write_report
from spatempo.report.tables import shown

CLASSES = ["slide left", "slide right", "<b>bold</b> & $x_1$", "静止"]
EVIL = "<script>alert('x')</script> & \"q\""


def frames(n: int = 8) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (n, 10, 12, 3), dtype=np.uint8)


def models() -> list[ModelResult]:
    rows = [{"top1": 0.5, "params": 11_200_000, "macs": 2.31e9, "latency_ms": 21.34, "seconds": 143.4}, {"top1": 0.951}]
    matrix = [[5, 5, 0, 0], [4, 6, 0, 0], [0, 0, 9, 1], [0, 0, 0, 10]]
    return [
        ModelResult(
            name,
            row,
            families={"control": 0.99, "direction": within},
            pairs={"left / right": within},
            confusion=matrix,
            classes=CLASSES,
            curve={"epoch": [1, 2, 3], "top-1": [0.2, None, within], "loss": [2.0, 1.5, 1.0]},
        )
        for name, row, within in (("TSN", rows[0], 0.5), ("TSM", rows[1], 0.97))
    ]


def write(path: Path, **changes: Any) -> str:
    given = {
        "models": models(),
        "strips": [Strip("A slide", frames(), "slide right", {"TSN": "slide left", "TSM": "slide right"})],
        "chance": {"direction": 0.5},
        "headline": "direction",
        "groups": [("slide left", "slide right")],
        "notes": ["seed 0"],
        **changes,
    }
    title, sentence = given.pop("title", "TSN and TSM"), given.pop("sentence", "One sees order.")
    assert write_report(path, title, sentence, **given) == path
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(tmp_path_factory.mktemp("page") / "report.html")


class Tags(HTMLParser):
    """Checks that every tag is closed; collects tags and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "wbr"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parse(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    tags.close()
    assert not tags.open
    return tags


def test_the_page_loads_no_other_files(page: str) -> None:
    tags = parse(page)
    names = {name for name, _ in tags.tags}
    assert not names & {"script", "link", "iframe", "object", "base"}
    for name, attributes in tags.tags:
        for key in ("src", "href", "xlink:href", "data", "srcset"):
            value = attributes.get(key)
            assert value is None or value.startswith(("data:image/png;base64,", "#")), (name, key, value)
        assert not any(key.startswith("on") for key in attributes)
    assert not re.findall(r"url\((?!#)", page)
    assert "@import" not in page
    # the XML namespaces of matplotlib are names, not addresses to load
    assert set(re.findall(r"https?://[^\s\"'<]+", page)) <= {
        "http://www.w3.org/1999/xlink",
        "http://www.w3.org/2000/svg",
    }
    assert "default-src 'none'" in page
    assert "width=device-width" in page


def test_drawings_are_well_formed_and_have_unique_ids(page: str) -> None:
    drawings = re.findall(r"<svg\b.*?</svg>", page, flags=re.DOTALL)
    assert len(drawings) == 2 * 5  # families, pairs, two matrices, curves; for laptops and for phones
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        assert root.get("viewBox")
        assert root.get("width") is None  # scales with its container
        assert root.get("role") == "img"
        assert root.get("aria-label")
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    used = set(re.findall(r"url\(#([^)]+)\)", page)) | set(re.findall(r'href="#([^"]+)"', page))
    assert used <= set(ids)
    assert used


def test_the_summary_comes_first(page: str) -> None:
    text = parse(page.split("<main>")[1].rsplit("</main>")[0]).text
    top = text[: text.index("Accuracy by family")]
    assert "One sees order." in top
    assert re.search(r"TSN\s*50\s%\s*at chance level\s*TSM\s*97\s%\s*distinguishes the two", top)
    assert page.index("class='cards'") < page.index("<svg")


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(0.6, "at chance"), (0.61, "above chance level"), (0.39, "below chance level"), (0.9, "distinguishes the two")],
)
def test_verdicts(tmp_path: Path, value: float, verdict: str) -> None:
    text = write(tmp_path / "r.html", models=[ModelResult("m", families={"direction": value})], strips=[])
    assert f"<div class='verdict'>{verdict}" in text


def test_all_text_from_the_data_is_escaped(tmp_path: Path) -> None:
    result = models()[0]
    result.name = EVIL
    result.row = {EVIL: EVIL}
    result.families = {EVIL: 0.5}
    result.pairs = {EVIL: 0.5}
    result.classes = [EVIL, *CLASSES[1:]]
    result.curve = {EVIL: [1.0, 2.0]}
    page = write(
        tmp_path / "r.html",
        title=EVIL,
        sentence=EVIL,
        models=[result],
        strips=[Strip(EVIL, frames(), EVIL, {EVIL: EVIL})],
        headline=EVIL,
        question=EVIL,
        family_notes={EVIL: EVIL},
        notes=[EVIL],
    )
    assert "<script" not in page
    assert "alert('x')</" not in page
    tags = parse(page)
    assert "script" not in {name for name, _ in tags.tags}
    assert tags.text.count(EVIL) >= 12  # the reader sees it unchanged
    for drawing in re.findall(r"<svg\b.*?</svg>", page, flags=re.DOTALL):
        ElementTree.fromstring(drawing)


def test_names_with_dollar_signs_or_in_any_script_are_text(page: str) -> None:
    text = parse(page).text
    assert "$x_1$" in text
    assert "静止" in text


def test_frames_on_the_page_have_the_given_pixels(page: str) -> None:
    pictures = re.findall(r"<img src='data:image/png;base64,([^']+)'", page)
    decoded = [imread(io.BytesIO(base64.b64decode(p)), format="png") for p in pictures]
    np.testing.assert_array_equal((np.stack(decoded)[..., :3] * 255).round().astype(np.uint8), frames())
    assert re.search(r"class='wrong'>✗ <b>TSN</b>: slide left", page)
    assert re.search(r"class='right'>✓ <b>TSM</b>: slide right", page)


def test_the_table_has_units(page: str) -> None:
    text = parse(page).text
    for value in ("50.0 %", "11.20 M", "2.31 G", "21.3 ms", "2 min 23 s", "–"):
        assert value in text


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("params", 23_864_558, "23.86 M"),
        ("params", 950, "950"),
        ("macs", 32.70e9, "32.70 G"),
        ("seconds", 59.5, "1 min 00 s"),
        ("seconds", 12.34, "12.3 s"),
        ("top1", 1, "100.0 %"),
        ("views", 6, "6"),
        ("ratio", 1.23456, "1.235"),
        ("device", "cpu", "cpu"),
        ("top5", None, "–"),
    ],
)
def test_units(key: str, value: object, text: str) -> None:
    assert shown(key, value) == text


def test_the_same_results_give_the_same_page(tmp_path: Path, page: str) -> None:
    with matplotlib.rc_context({"font.size": 30, "axes.titlepad": 40, "text.parse_math": True}):
        before = dict(matplotlib.rcParams)
        again = write(tmp_path / "again.html")  # independent of the matplotlib settings of the caller
        assert dict(matplotlib.rcParams) == before
    assert again == page


def test_only_the_name_of_a_model_is_required(tmp_path: Path) -> None:
    page = write_report(tmp_path / "new folder" / "r.html", "t", "s", models=[ModelResult("m")]).read_text()
    assert [p.name for p in (tmp_path / "new folder").iterdir()] == ["r.html"]
    tags = parse(page)
    assert "section" not in {name for name, _ in tags.tags}


def test_invalid_results_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    with pytest.raises(SpatempoError, match="no models"):
        write_report(path, "t", "s", models=[])
    with pytest.raises(SpatempoError, match="two models have the same name"):
        write_report(path, "t", "s", models=[ModelResult("m"), ModelResult("m")])
    with pytest.raises(SpatempoError, match=r"strip 'x' are float64 \[8, 2, 2, 3\]"):
        write(path, strips=[Strip("x", np.zeros((8, 2, 2, 3)), "a", {})])
    with pytest.raises(SpatempoError, match="confusion matrix of m has 2 rows, but there are 1 classes"):
        write(path, models=[ModelResult("m", confusion=[[1, 0], [0, 1]], classes=["a"])])
    assert not list(tmp_path.iterdir())


def test_a_full_disk_does_not_destroy_an_existing_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.html"
    path.write_text("earlier")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SpatempoError, match=r"r\.html: cannot be written \(No space left on device\)"):
        write_report(path, "t", "s", models=[ModelResult("m")])
    assert path.read_text() == "earlier"
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]
