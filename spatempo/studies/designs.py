"""Train every design on movements and their reverses, under the same conditions: which designs see frame order?

    python -m spatempo.studies.designs                      # all designs
    python -m spatempo.studies.designs --models tsm,gsm     # some designs

Renders the direction pairs of the generated data set, then trains a small network of every design under the same budget
and tests it. Models with a causal form are also tested frame by frame ("live"). Writes a page (``report.html``), a
table (``table.md``), and with ``--into FILE`` the table into a Markdown file. Finished runs are reused.

The operators are placed in ``smallresnet``; the video-native networks have a quarter of their published width.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spatempo.errors import SpatempoError
from spatempo.files import write_atomic
from spatempo.studies.marked import insert_between_marks, marks, split_at_marks
from spatempo.studies.program import run_study
from spatempo.terminal import print_line

# Packages are imported inside the functions: processes that render and decode are spawned, each of them imports this
# module first, and they do not need torch.

PRESET = "direction"
BUDGET = "epochs=5"
RECIPE = {"recipe": "demo", "batch_size": 16, "size": 48, "lr": 4e-3}
TITLE = "All designs on movements and their reverses"
MARK = "table of spatempo.studies.designs"


def cases() -> dict[str, tuple[str, dict[str, Any]]]:
    """The cases that the registered designs define for this study: short name -> (model name, options)."""
    from spatempo.models import DESIGNS
    from spatempo.models.registry import list_models

    list_models()  # registers the designs of spatempo
    return {
        f"{design.name}-{label}".rstrip("-"): (design.model_name(backbone), dict(options))
        for design in sorted(DESIGNS.values(), key=lambda design: (design.native, design.name))
        for label, (backbone, options) in design.study_cases.items()
    }


def designs(
    out: str | Path = "runs/designs",
    *,
    models: Sequence[str] | None = None,
    preset: str = PRESET,
    budget: str = BUDGET,
    **settings: Any,
) -> list[dict[str, Any]]:
    """Renders, trains and tests; writes page and table. Continues an interrupted call.

    Args:
        out: folder for the data (``data/``), the runs, ``report.html`` and ``table.md``.
        models: short names from :func:`cases`; None: all.
        preset: preset of the generated data set.
        budget: training budget per design, see `compare`.
        settings: further arguments of `compare`.

    Returns:
        The rows of `compare`, with the additional key ``live``. It is None for a model that cannot process single
        frames, else a dict: ``top1, within_pair, n``, ``same`` (number of clips with the same prediction as for the
        whole clip) and ``largest_difference`` (of a score, relative to the largest score of the clip).

    Raises:
        SpatempoError: an unknown model, or invalid data or folders.
    """
    from spatempo.data.generated.make import make_data
    from spatempo.studies.comparing.compare import compare

    known = cases()
    models = list(known) if models is None else models
    if unknown := [name for name in models if name not in known]:
        raise SpatempoError(f"there is no design {unknown[0]!r} in this study; choose from {','.join(known)}")
    chosen = {name: known[name] for name in models}
    data = Path(out) / "data"
    make_data(data, preset=preset, progress=True)
    fixed = {"cache": True, "title": TITLE, **RECIPE, **settings}
    rows = [one.to_json() for one in compare(data, chosen, budget=budget, out=out, **fixed)]
    rows = [{**row, "live": _live(row, data / "test.csv")} for row in rows]
    write_atomic(Path(out) / "table.md", table(rows))
    return rows


def _live(row: dict[str, Any], data: Path) -> dict[str, Any] | None:
    import numpy as np

    from spatempo.data.manifest import load_manifest
    from spatempo.evaluation.results.families import families
    from spatempo.evaluation.scoring.evaluate import evaluate
    from spatempo.evaluation.scoring.live import Live
    from spatempo.models.checkpoint import load

    model = load(row["checkpoint"])
    if not model.causal:
        return None
    print_line(f"{row['name']}: the test clips frame by frame", sys.stderr)
    clips = load_manifest(data, classes=model.classes)
    offline, live = evaluate(model, clips), evaluate(Live(model), clips)
    difference = np.abs(live.scores - offline.scores) / np.abs(offline.scores).max(1, keepdims=True)
    found = families(live, clips).families
    return {
        "top1": live.top1,
        "within_pair": {family: row.within_pair for family, row in found.items()},
        "n": live.n,
        "same": int((live.predictions == offline.predictions).sum()),
        "largest_difference": float(difference.max()),
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The results as a Markdown table, with a line that states the conditions."""
    from spatempo.learning.progress import clock
    from spatempo.studies.comparing.page_content import headline

    family = headline(rows)
    assert family is not None
    lines = [
        "| design | model | within the pair | weakest pair | live | params | MACs | training |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        options = "".join(f", {key}={value}" for key, value in row["options"].items())
        weakest = min(row["pairs"], key=lambda pair: row["pairs"][pair]["within_pair"])
        cells = [
            row["name"],
            f"`{row['model']}`{options}",
            f"**{100 * row['families'][family]['within_pair']:.1f} %**",
            f"{100 * row['pairs'][weakest]['within_pair']:.1f} % ({weakest})",
            f"{100 * row['live']['within_pair'][family]:.1f} %" if row["live"] else "",
            f"{row['params'] / 1e6:.2f} M",
            f"{row['macs'] / 1e9:.2f} G",
            clock(row["seconds"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    first = rows[0]
    about = (
        f"{first['families'][family]['n']} test clips, {first['epochs']} epochs, "
        f"{first['frames']} frames of {first['size']} pixels; parameters and MACs of one clip with "
        f"{len(first['per_class'])} classes."
    )
    live = [row["live"] for row in rows if row["live"]]
    if live:
        same, n = (sum(found[key] for found in live) for key in ("same", "n"))
        most = max(found["largest_difference"] for found in live)
        about += f" Live: {same:,} of {n:,} predictions equal those for whole clips; scores differ by at most "
        about += f"{most:.0e} of the largest score."
    return "\n".join([*lines, "", about, ""])


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the study; returns the exit code."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m spatempo.studies.designs", description=about)
    parser.add_argument("--out", default="runs/designs", help="output folder (default: %(default)s)")
    parser.add_argument("--models", help="names of designs, separated by commas (default: all)")
    budget_help = "training budget per design: epochs=N or minutes=M (default: %(default)s)"
    parser.add_argument("--budget", default=BUDGET, help=budget_help)
    parser.add_argument("--preset", default=PRESET, help="preset of the generated data set (default: %(default)s)")
    parser.add_argument(
        "--into", metavar="FILE", help=f"Markdown file to write the table into, after its line {marks(MARK)[0]}"
    )
    given = parser.parse_args(arguments)

    def study() -> None:
        if given.into:
            split_at_marks(Path(given.into), MARK)  # missing marks fail before training, not after
        chosen = given.models and [name.strip() for name in given.models.split(",") if name.strip()]
        rows = designs(given.out, models=chosen, preset=given.preset, budget=given.budget)
        text = table(rows)
        print(f"\n{text}\nreport: {rows[0]['report']}")
        if given.into:
            insert_between_marks(Path(given.into), MARK, text)

    return run_study("designs", study)


if __name__ == "__main__":
    sys.exit(main())
