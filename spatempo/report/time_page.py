"""Page of ``diagnose``, made from results (plain numbers)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spatempo.report.attention_gates import inside_sections
from spatempo.report.figures import WIDE, color, percent
from spatempo.report.film import Strip, strips_section
from spatempo.report.html import Figures, cards, footer, heading, section, table, write_page
from spatempo.report.time_plots import Estimate, accuracy_by_frames, influence_map, interval_dots

CONDITIONS = {
    "ordered": "in order",
    "shuffled": "shuffled",
    "reversed": "reversed",
    "frozen": "one frame, repeated",
}
MOST_CLASSES = 30  # per chart; the table that the command prints has all

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
        path: path of the ``.html`` file.
        title: heading.
        sentences: summary of the results.
        models: results of :func:`spatempo.evaluation.order.dependence.time_dependence`, with ``name`` and
            ``receptive_field`` (None if it was not measured); the first is the model under test.
        verdicts: a few words on each model, below its figures.
        need: result of :func:`spatempo.evaluation.order.dependence.order_requirement`.
        strips: example videos with the influence of frames and regions.
        gate_strips: example videos with the opening of the gates.
        notes: paragraphs at the end of the page.
    """
    figures = Figures()
    shown = [
        (m["name"], f"{percent(m['ordered'])} → {percent(m['shuffled'])}", verdict, color(i))
        for i, (m, verdict) in enumerate(zip(models, verdicts, strict=True))
    ]
    parts = [
        heading(title, sentences),
        cards("Accuracy: frames in order → frames shuffled", shown),
        _conditions(models, figures),
        _families(models),
        _need(need),
        _classes(models[0], figures),
        _confused(models[0]),
        _frames(models, figures),
        _field(models, figures),
        strips_section(
            "The frames that matter in single videos",
            "Top row: the frames that the model sees. Bottom row: the regions that support the true class (Grad-CAM; "
            "brighter regions support it more). Bar and number: drop of the score of the true class, in percentage "
            "points, when the frame is replaced by its neighbour (orange, with a minus sign: the score increases).",
            strips,
        ),
        inside_sections(models, figures, gate_strips),
        footer(notes),
    ]
    return write_page(path, title, parts)


def p_value_text(p_value: float) -> str:
    """A p-value with the usual number of digits, ``< 0.001`` if it is smaller."""
    if p_value < 0.001:
        return "< 0.001"
    return f"{p_value:.3f}" if p_value < 0.1 else f"{p_value:.2f}"


def receptive_field_text(field: Mapping[str, Any]) -> str:
    """A measured temporal receptive field in words."""
    if field["frames"] == 1:
        return "the score of a frame depends only on that frame"
    extent = f"depends on {field['frames']} of {field['clip_frames']} frames"
    if field["past"] is None:
        return f"the score at one position {extent}"
    return f"the score of a frame {extent}, up to {field['past']} back and {field['future']} ahead"


def _conditions(models: Sequence[Model], figures: Figures) -> str:
    values: dict[str, dict[str, Estimate]] = {
        m["name"]: {words: (m[key], *m["intervals"][key]) for key, words in CONDITIONS.items()} for m in models
    }
    draw = lambda width: interval_dots(values, numbers=True, width=width)  # noqa: E731
    label = "; ".join(
        f"{name}: " + ", ".join(f"{words} {percent(accuracy)}" for words, (accuracy, _, _) in row.items())
        for name, row in values.items()
    )
    runs = ", ".join(percent(accuracy) for accuracy in models[0]["shuffled_runs"])
    caption = (
        f"Accuracy on {models[0]['n']} videos, with 95 % confidence intervals. Shuffled is the mean of "
        f"{len(models[0]['shuffled_runs'])} fixed permutations ({models[0]['name']}: {runs})."
    )
    return section("Accuracy with frames in order and reordered", caption, figures.both(draw, label))


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
    caption = "Within the pair: the model chooses only between a movement and its reverse, so the chance level is 50 %."
    return section("Accuracy by family of classes", caption, "<br>".join(tables))


def _need(need: Mapping[str, Any] | None) -> str:
    if need is None:
        return ""
    rows = [["class or pair", "videos", "uses order", "order-blind", "gain", "p"]]
    ranked = sorted(need["per_group"].items(), key=lambda item: item[1]["order_blind"] - item[1]["temporal"])
    for name, row in ranked[:MOST_CLASSES]:
        gain = f"{100 * (row['temporal'] - row['order_blind']):+.1f}".replace("-", "−")
        accuracies = [percent(row["temporal"]), percent(row["order_blind"])]
        rows.append([name, str(row["n"]), *accuracies, gain, p_value_text(row["p_value"])])
    caption = (
        f"Of {need['n']} videos, only {need['temporal_name']} (uses order) is correct on "
        f"{percent(need['needs_order'])} (95 % interval: {_interval_text(need['interval'])}), and only "
        f"{need['order_blind_name']} (order-blind) on {percent(need['only_order_blind'])} "
        f"(p {p_value_text(need['p_value'])}). "
        "The table shows the accuracy of both models and the difference in percentage points. A class and its reverse "
        "count as one group, since an order-blind model may favour either of the two. p-values are corrected for the "
        "number of groups (Holm's method)."
    )
    return section("How much of the data needs order", caption, f"<div class='scroll'>{table(rows)}</div>")


def _classes(model: Model, figures: Figures) -> str:
    ranked = sorted(model["per_class"].items(), key=lambda item: item[1]["shuffled"] - item[1]["ordered"])
    kept = ranked[:MOST_CLASSES]
    values: dict[str, dict[str, Estimate]] = {
        CONDITIONS[key]: {name: (row[key], *row[f"{key}_interval"]) for name, row in kept}
        for key in ("ordered", "shuffled")
    }
    draw = lambda width: interval_dots(values, width=width)  # noqa: E731
    label = "; ".join(f"{name}: {percent(row['ordered'])}, shuffled {percent(row['shuffled'])}" for name, row in kept)
    significant = [name for name, row in kept if row["p_value"] < 0.05 and row["ordered"] > row["shuffled"]]
    caption = "Accuracy with 95 % confidence intervals. The classes with the largest drop when shuffled come first."
    if len(ranked) > len(kept):
        caption += f" Of {len(ranked)} classes, the first {len(kept)} are shown."
    caption += " The drop is statistically significant (paired test, corrected for the number of classes) in "
    if significant:
        caption += f"{len(significant)} {'class' if len(significant) == 1 else 'classes'}: {', '.join(significant)}."
    else:
        caption += "no class."
    return section(f"Accuracy by class: {model['name']}", caption, figures.both(draw, label))


def _confused(model: Model) -> str:
    if not model["confused"]:
        return ""
    rows = [["pair of classes", "videos", "in order", "shuffled", "p"]]
    for row in model["confused"][:MOST_CLASSES]:
        fractions = [percent(row["ordered"]), percent(row["shuffled"])]
        rows.append([" / ".join(row["classes"]), str(row["n"]), *fractions, p_value_text(row["p_value"])])
    caption = (
        f"Pairs of classes that {model['name']} confuses significantly more often when the frames are shuffled: "
        "fraction of the videos of both classes that are predicted as the other class."
    )
    return section("Classes that only order separates", caption, f"<div class='scroll'>{table(rows)}</div>")


def _frames(models: Sequence[Model], figures: Figures) -> str:
    curves: dict[str, dict[int, Estimate]] = {
        m["name"]: {row["frames"]: (row["top1"], *row["interval"]) for row in m["by_frames"]} for m in models
    }
    draw = lambda width: accuracy_by_frames(curves, width=width)  # noqa: E731
    label = "; ".join(
        f"{name}: " + ", ".join(f"{count} frames {percent(accuracy)}" for count, (accuracy, _, _) in curve.items())
        for name, curve in curves.items()
    )
    default = ", ".join(f"{m['name']} {m['frames']}" for m in models)
    refused = "".join(
        f" {m['name']} cannot process {', '.join(str(count) for count in m['unsupported_frames'])} frames."
        for m in models
        if m["unsupported_frames"]
    )
    caption = (
        "Accuracy with fewer or more frames from the same videos, in order; the bands are 95 % confidence intervals. "
        f"Default number of frames: {default}.{refused}"
    )
    return section("Number of frames", caption, figures.both(draw, label))


def _field(models: Sequence[Model], figures: Figures) -> str:
    models = [m for m in models if m["receptive_field"] is not None]
    if not models:
        return ""
    drawn = []
    for m in models:
        field = m["receptive_field"]
        draw = lambda width, field=field, m=m: influence_map(field["fractions"], title=m["name"], width=width)  # noqa: E731
        label = f"{m['name']}: the score at one position depends on {field['frames']} of {field['clip_frames']} frames"
        drawn.append(f"<div>{figures.both(draw, label, wide=WIDE / 2)}</div>")
    caption = (
        "The measured temporal receptive field. A row shows how the gradient of the score of one frame is distributed "
        "over the frames of the clip, in per cent. White: the score does not depend on this frame. "
    ) + " ".join(f"{m['name']}: {receptive_field_text(m['receptive_field'])}." for m in models)
    title = "Which frames the score of a frame depends on"
    return section(title, caption, f"<div class='matrices'>{''.join(drawn)}</div>")


def _interval_text(interval: Sequence[float]) -> str:
    return f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}\u00a0%"
