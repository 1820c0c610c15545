"""Every design, trained alike on movements and their reverses: which see the order of frames, and how surely?

    python -m spatempo.studies.designs                      # all of them
    python -m spatempo.studies.designs --models tsm,gsm     # some

Renders the direction pairs of the generated data set, trains every design under the same budget with a small network,
tests it, and shows the models with a causal form each test clip frame by frame as well ("live"). Writes a page
(``report.html``), a table (``table.md``), and with ``--into FILE`` that table into a Markdown file. What an earlier
call finished is not done again.

The operators are plugged into ``smallresnet``; the video-native networks are a quarter of their published width.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spatempo.errors import SpatempoError
from spatempo.files import write_whole
from spatempo.studies.marked import around, marks, put_into
from spatempo.studies.program import run_study
from spatempo.terminal import say

# Rooms are imported inside the functions: processes that render and decode are spawned, and each imports this module
# first, for which it should not have to load torch.

PRESET = "direction"
BUDGET = "epochs=5"
RECIPE = {"recipe": "demo", "batch_size": 16, "size": 48, "lr": 4e-3}
TITLE = "The same frames, another order: every design"
MARK = "table of spatempo.studies.designs"


def cases() -> dict[str, tuple[str, dict[str, Any]]]:
    """What each registered design says is to be trained: short name -> name of the model, options."""
    from spatempo.models import DESIGNS
    from spatempo.models.registry import list_models

    list_models()  # registers spatempo's own
    return {
        f"{design.name}-{label}".rstrip("-"): (design.model_name(backbone), dict(options))
        for design in sorted(DESIGNS.values(), key=lambda design: (design.native, design.name))
        for label, (backbone, options) in design.studies.items()
    }


def designs(
    out: str | Path = "runs/designs",
    *,
    models: Sequence[str] | None = None,
    preset: str = PRESET,
    budget: str = BUDGET,
    **settings: Any,
) -> list[dict[str, Any]]:
    """Renders, trains, tests, writes page and table; goes on where an earlier call was interrupted.

    Args:
        out: folder for the data (``data/``), the runs, ``report.html`` and ``table.md``.
        models: which of :func:`cases`, by their short names; all by default.
        preset: of the data.
        budget: of each design, see `compare`.
        settings: further arguments of `compare`.

    Returns:
        The rows of `compare`, and in each ``live``: None for a model that cannot go frame by frame, else
        ``top1, within_pair, n, same`` (clips with the answer that they get as clips) and ``largest_difference`` (of a
        score, as a share of the clip's largest).

    Raises:
        SpatempoError: an unknown model, or data or folders that cannot be used.
    """
    from spatempo.data.generated.make import make_data
    from spatempo.studies.comparing.compare import compare

    known = cases()
    models = list(known) if models is None else models
    if unknown := [name for name in models if name not in known]:
        raise SpatempoError(f"there is no {unknown[0]!r} here; choose from {','.join(known)}")
    chosen = {name: known[name] for name in models}
    data = Path(out) / "data"
    make_data(data, preset=preset, progress=True)
    fixed = {"cache": True, "title": TITLE, **RECIPE, **settings}
    rows = [one.to_json() for one in compare(data, chosen, budget=budget, out=out, **fixed)]
    rows = [{**row, "live": _live(row, data / "test.csv")} for row in rows]
    write_whole(Path(out) / "table.md", table(rows))
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
    say(f"{row['name']}: the test clips frame by frame", sys.stderr)
    clips = load_manifest(data, classes=model.classes)
    offline, live = evaluate(model, clips), evaluate(Live(model), clips)
    difference = np.abs(live.scores - offline.scores) / np.abs(offline.scores).max(1, keepdims=True)
    found = families(live, clips).families
    return {
        "top1": live.top1,
        "within_pair": {family: shares.within_pair for family, shares in found.items()},
        "n": live.n,
        "same": int((live.answers == offline.answers).sum()),
        "largest_difference": float(difference.max()),
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The results as a Markdown table, with a line on what they are of."""
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
        about += f" Live: {same:,} of {n:,} answers are the whole clip's; scores differ by at most {most:.0e} of the "
        about += "largest."
    return "\n".join([*lines, "", about, ""])


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the study; returns the exit code."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m spatempo.studies.designs", description=about)
    parser.add_argument("--out", default="runs/designs", help="folder to write (default: %(default)s)")
    parser.add_argument("--models", help="which, with commas between (default: all)")
    parser.add_argument("--budget", default=BUDGET, help="of each design: epochs=N or minutes=M (%(default)s)")
    parser.add_argument("--preset", default=PRESET, help="of the generated data (default: %(default)s)")
    parser.add_argument(
        "--into", metavar="FILE", help=f"a Markdown file that holds {marks(MARK)[0]}: puts the table there"
    )
    given = parser.parse_args(arguments)

    def study() -> None:
        if given.into:
            around(Path(given.into), MARK)  # told before the training, not after
        chosen = given.models and [name.strip() for name in given.models.split(",") if name.strip()]
        rows = designs(given.out, models=chosen, preset=given.preset, budget=given.budget)
        text = table(rows)
        print(f"\n{text}\nreport: {rows[0]['report']}")
        if given.into:
            put_into(Path(given.into), MARK, text)

    return run_study("designs", study)


if __name__ == "__main__":
    sys.exit(main())
