"""HTML building blocks of the pages: self-contained files without network or scripts, for laptops and phones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from itertools import count
from pathlib import Path

from matplotlib.figure import Figure

from spatempo.files import write_atomic
from spatempo.report.figures import NARROW, WIDE, svg
from spatempo.report.style import CSS

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"  # browsers then refuse to load anything


def write_page(path: str | Path, title: str, parts: Sequence[str]) -> Path:
    """Writes a page, atomically.

    Args:
        path: path of the ``.html`` file.
        title: title of the window.
        parts: pieces of HTML, in order; empty ones are ignored.

    Raises:
        SpatempoError: the file cannot be written.
    """
    body = "\n".join(part for part in parts if part)
    page = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(title)}</title>
<style>{CSS}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""
    return write_atomic(path, page.encode())


class Figures:
    """Converts charts to SVG with unique ids, in a version for laptops and one for phones."""

    def __init__(self) -> None:
        self._count = count(1)

    def both(self, draw: Callable[[float], Figure], label: str, wide: float = WIDE, narrow: float = NARROW) -> str:
        drawn = [svg(draw(inches), label, f"f{next(self._count)}") for inches in (wide, narrow)]
        return "".join(f"<div class='{c}'>{d}</div>" for c, d in zip(("wide", "narrow"), drawn, strict=True))


def heading(title: str, sentences: str | Sequence[str]) -> str:
    """Title and summary at the top of a page, one paragraph per sentence."""
    summary = [sentences] if isinstance(sentences, str) else sentences
    return f"<h1>{escape(title)}</h1>\n" + "\n".join(f"<p class='lead'>{escape(sentence)}</p>" for sentence in summary)


def section(title: str, caption: str, body: str) -> str:
    about = f"<p class='caption'>{escape(caption)}</p>" if caption else ""
    return f"<section><h2>{escape(title)}</h2>{about}{body}</section>"


def cards(question: str, shown: Sequence[tuple[str, str, str, str]]) -> str:
    """Large figures below a question; `shown` has (name, value, verdict, colour) per figure."""
    boxes = [
        f"<div class='card' style='--model: {color}'><div class='name'>{breakable(name)}</div>"
        f"<div class='value{' long' * (len(value) > 8)}'>{escape(value)}</div>"
        f"<div class='verdict'>{escape(verdict)}</div></div>"
        for name, value, verdict, color in shown
    ]
    return f"<p class='question'>{escape(question)}</p><div class='cards'>{''.join(boxes)}</div>" if boxes else ""


def table(rows: Sequence[Sequence[str]]) -> str:
    """A table; the first row and the first column are headers."""
    head = "".join(f"<th>{breakable(cell)}</th>" for cell in rows[0])
    body = "".join(
        f"<tr><th>{breakable(row[0])}</th>" + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:]) + "</tr>"
        for row in rows[1:]
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def breakable(name: str) -> str:
    """Escapes a name and allows line breaks after underscores and dots, for long names on narrow pages."""
    return escape(name).replace("_", "_<wbr>").replace(".", ".<wbr>")


def prediction_list(truth: str, given: Sequence[tuple[str, str]]) -> str:
    """True class and predictions for one video; `given` has (model, prediction). Many models: grouped by prediction."""
    if len(given) > 6:
        by_prediction: dict[str, list[str]] = {}
        for who, label in given:
            by_prediction.setdefault(label, []).append(who)
        given = [(", ".join(names), label) for label, names in by_prediction.items()]
    items = "".join(
        f"<li class='{'right' if label == truth else 'wrong'}'>{'✓' if label == truth else '✗'} "
        f"<b>{escape(who)}</b>: {escape(label)}</li>"
        for who, label in given
    )
    return f"<ul class='predictions'><li>true class: {escape(truth)}</li>{items}</ul>"


def footer(notes: Sequence[str]) -> str:
    return "<footer>" + "".join(f"<p>{escape(note)}</p>" for note in notes) + "</footer>" if notes else ""
