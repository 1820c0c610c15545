"""The page of ``diagnose``: what a model sees of time, out of plain results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spatempo.report.attention_gates import inside_sections
from spatempo.report.figures import WIDE, color, percent
from spatempo.report.film import Strip, strips_section
from spatempo.report.html import Figures, cards, footer, heading, section, table, write_page
from spatempo.report.time_plots import Share, accuracy_by_frames, influence_map, interval_dots

CONDITIONS = {
    "ordered": "in order",
    "shuffled": "shuffled",
    "reversed": "reversed",
    "frozen": "one frame, repeated",
}
MOST_CLASSES = 30  # of a chart; the table that the command prints has all

Model = Mapping[str, Any]


def write_time_page(
    path: str | Path,
    title: str,
    sentences: Sequence[str],
    models: Sequence[Model],
    *,
    verdicts: Sequence[str],
    need: Mapping[str, Any] | None = None,
    strips: Sequence[Strip] = (),
    gate_strips: Sequence[Strip] = (),
    notes: Sequence[str] = (),
) -> Path:
    """Writes the page, atomically.

    Args:
        path: of the ``.html`` file.
        title: heading.
        sentences: what a stranger should take away.
        models: what :func:`spatempo.evaluation.order.dependence.time_dependence` gives, with ``name`` and
            ``receptive_field``; the first is the one that was asked about.
        verdicts: a few words on each model, under its figures.
        need: of :func:`spatempo.evaluation.order.dependence.need_of_order`.
        strips: videos with what mattered in them.
        gate_strips: videos with how far gates are open.
        notes: paragraphs at the foot.
    """
    figures = Figures()
    shown = [
        (m["name"], f"{percent(m['ordered'])} → {percent(m['shuffled'])}", verdict, color(i))
        for i, (m, verdict) in enumerate(zip(models, verdicts, strict=True))
    ]
    parts = [
        heading(title, sentences),
        cards("Right answers: frames in order → frames shuffled", shown),
        _conditions(models, figures),
        _families(models),
        _need(need),
        _classes(models[0], figures),
        _confused(models[0]),
        _frames(models, figures),
        _field(models, figures),
        strips_section(
            "What mattered in single videos",
            "Above: the frames that the model saw. Below: what in them spoke for the true class (Grad-CAM; bright is "
            "much). The bar and the number: per cent of score that the true class loses when the neighbour's picture "
            "stands in the frame's place (orange, with a minus: it gains).",
            strips,
        ),
        inside_sections(models, figures, gate_strips),
        footer(notes),
    ]
    return write_page(path, title, parts)


def chance(p_value: float) -> str:
    """A p-value as people write it."""
    if p_value < 0.001:
        return "< 0.001"
    return f"{p_value:.3f}" if p_value < 0.1 else f"{p_value:.2f}"


def reach(field: Mapping[str, Any]) -> str:
    """A receptive field in words."""
    if field["frames"] == 1:
        return "one frame's score depends on that frame alone"
    what = f"one frame's score depends on {field['frames']} of {field['clip_frames']} frames"
    if field["past"] is None:
        return what.replace("one frame's score", "the score at one position")
    return f"{what}, up to {field['past']} back and {field['future']} ahead"


def _conditions(models: Sequence[Model], figures: Figures) -> str:
    values: dict[str, dict[str, Share]] = {
        m["name"]: {words: (m[key], *m["intervals"][key]) for key, words in CONDITIONS.items()} for m in models
    }
    draw = lambda width: interval_dots(values, numbers=True, width=width)  # noqa: E731
    spoken = "; ".join(
        f"{name}: " + ", ".join(f"{words} {percent(share)}" for words, (share, _, _) in row.items())
        for name, row in values.items()
    )
    runs = ", ".join(percent(share) for share in models[0]["shuffled_runs"])
    caption = (
        f"Share of {models[0]['n']} videos answered right, with 95 % intervals. Shuffled is the mean of "
        f"{len(models[0]['shuffled_runs'])} fixed permutations ({models[0]['name']}: {runs})."
    )
    return section("With the order of frames, and without", caption, figures.both(draw, spoken))


def _families(models: Sequence[Model]) -> str:
    if not all("families" in m for m in models):
        return ""
    tables = []
    for m in models:
        rows = [[m["name"], *CONDITIONS.values()]]
        for family, found in m["families"].items():
            within = " (within the pair)" if found["pairs"] else ""
            rows.append([f"{family}{within}", *(percent(found[key]) for key in CONDITIONS)])
        tables.append(f"<div class='scroll'>{table(rows)}</div>")
    caption = "Within the pair: a movement or its reverse, asked only which of the two; 50 % is a coin toss."
    return section("By family", caption, "<br>".join(tables))


def _need(need: Mapping[str, Any] | None) -> str:
    if need is None:
        return ""
    rows = [["", "videos", "seeing", "blind", "gain", "p"]]
    ranked = sorted(need["per_group"].items(), key=lambda item: item[1]["blind"] - item[1]["temporal"])
    for name, row in ranked[:MOST_CLASSES]:
        gain = f"{100 * (row['temporal'] - row['blind']):+.1f}".replace("-", "−")
        shares = [percent(row["temporal"]), percent(row["blind"])]
        rows.append([name, str(row["n"]), *shares, gain, chance(row["p_value"])])
    caption = (
        f"{percent(need['needs_order'])} of the {need['n']} videos ({_between(need['interval'])}) are right with "
        f"{need['temporal_name']} and wrong with {need['blind_name']}, {percent(need['only_blind'])} the other way "
        f"about (p {chance(need['p_value'])}). Below, the shares that each gets right. Classes that are each other's "
        "reverse count as one: a model that must guess between them favours either. p is corrected for asking so many "
        "questions (Holm)."
    )
    return section("How much of these data needs order", caption, f"<div class='scroll'>{table(rows)}</div>")


def _classes(model: Model, figures: Figures) -> str:
    ranked = sorted(model["per_class"].items(), key=lambda item: item[1]["shuffled"] - item[1]["ordered"])
    kept = ranked[:MOST_CLASSES]
    values: dict[str, dict[str, Share]] = {
        CONDITIONS[key]: {name: (row[key], *row[f"{key}_interval"]) for name, row in kept}
        for key in ("ordered", "shuffled")
    }
    draw = lambda width: interval_dots(values, width=width)  # noqa: E731
    spoken = "; ".join(f"{name}: {percent(row['ordered'])}, shuffled {percent(row['shuffled'])}" for name, row in kept)
    sure = [name for name, row in kept if row["p_value"] < 0.05 and row["ordered"] > row["shuffled"]]
    caption = "The classes that lose most come first."
    if len(ranked) > len(kept):
        caption += f" Of {len(ranked)} classes the first {len(kept)} are shown."
    caption += " The loss is beyond chance (paired test, corrected for the number of classes) in "
    caption += f"{len(sure)}: {', '.join(sure)}." if sure else "none."
    return section(f"Class by class: {model['name']}", caption, figures.both(draw, spoken))


def _confused(model: Model) -> str:
    if not model["confused"]:
        return ""
    rows = [["", "videos", "in order", "shuffled", "p"]]
    for row in model["confused"][:MOST_CLASSES]:
        shares = [percent(row["ordered"]), percent(row["shuffled"])]
        rows.append([" / ".join(row["classes"]), str(row["n"]), *shares, chance(row["p_value"])])
    caption = (
        "Share of the two classes' videos that are taken for the other one; beyond chance more often when shuffled."
    )
    return section("Told apart by order alone", caption, f"<div class='scroll'>{table(rows)}</div>")


def _frames(models: Sequence[Model], figures: Figures) -> str:
    curves: dict[str, dict[int, Share]] = {
        m["name"]: {row["frames"]: (row["top1"], *row["interval"]) for row in m["by_frames"]} for m in models
    }
    draw = lambda width: accuracy_by_frames(curves, width=width)  # noqa: E731
    spoken = "; ".join(
        f"{name}: " + ", ".join(f"{count} frames {percent(share)}" for count, (share, _, _) in curve.items())
        for name, curve in curves.items()
    )
    own = ", ".join(f"{m['name']} {m['frames']}" for m in models)
    refused = "".join(
        f" {m['name']} cannot take {', '.join(str(count) for count in m['refused_frames'])}."
        for m in models
        if m["refused_frames"]
    )
    caption = f"Clips of fewer or more frames of the same videos, in order. The model's own: {own}.{refused}"
    return section("Number of frames", caption, figures.both(draw, spoken))


def _field(models: Sequence[Model], figures: Figures) -> str:
    drawn = []
    for m in models:
        field = m["receptive_field"]
        draw = lambda width, field=field, m=m: influence_map(field["share"], title=m["name"], width=width)  # noqa: E731
        label = f"{m['name']}: the score at one position depends on {field['frames']} of {field['clip_frames']} frames"
        drawn.append(f"<div>{figures.both(draw, label, wide=WIDE / 2)}</div>")
    caption = (
        "Measured by gradient: how many per cent of what moves a frame's score come from each frame of the clip. "
        "White: nothing at all. "
    ) + " ".join(f"{m['name']}: {reach(m['receptive_field'])}." for m in models)
    return section("Which frames a frame's score depends on", caption, f"<div class='matrices'>{''.join(drawn)}</div>")


def _between(interval: Sequence[float]) -> str:
    return f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}\u00a0%"
