"""Demo: render videos, train an order-blind network and a temporal one on them, and compare both in a report.

    make demo            (or: python -m spatempo.studies.demo)

Renders the small generated data set as video files, trains TSN and TSM with the same small residual network under the
same budget, tests both, writes ``runs/demo/report.html``, prints the table, and classifies a test video with the
trained TSM. It takes minutes; an interrupted call continues where it stopped. The work is done by
:func:`~spatempo.studies.comparing.compare.compare`; this module sets the arguments and prints the results.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spatempo.studies.program import run_study

# Packages are imported inside the functions: processes that render and decode are spawned, each of them imports this
# module first, and they do not need torch.

MODELS = {"tsn": "tsn_smallresnet", "tsm": "tsm_smallresnet"}
BUDGET = "epochs=9"
TITLE = "Do TSN and TSM see the order of frames?"


def demo(
    out: str | Path = "runs/demo", *, preset: str = "demo", budget: str = BUDGET, **settings: Any
) -> list[dict[str, Any]]:
    """Renders, trains, tests and writes the report. Continues an interrupted call.

    Args:
        out: folder for the data (``data/``), the runs (``tsn/``, ``tsm/``), ``report.html`` and ``accuracy.png``.
        preset: preset of the generated data set.
        budget: training budget per network, see `compare`.
        settings: further arguments of `compare`.

    Returns:
        The rows of `compare` as plain JSON types.
    """
    from spatempo.data.generated.make import make_data
    from spatempo.studies.comparing.compare import compare

    data = Path(out) / "data"
    make_data(data, preset=preset, progress=True)
    found = compare(data, MODELS, budget=budget, recipe="demo", out=out, title=TITLE, cache=True, **settings)
    rows = [one.to_json() for one in found]
    _draw_accuracy(rows, Path(out) / "accuracy.png")
    return rows


def _draw_accuracy(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draws the figure of the README: accuracy by family, with the chance level where classes come in pairs."""
    from spatempo.report.figures import save_png
    from spatempo.report.plots import accuracy_bars

    values = {row["name"]: {f: found["accuracy"] for f, found in row["families"].items()} for row in rows}
    chance = {f: 0.5 for f, found in rows[0]["families"].items() if found["within_pair"] is not None}
    save_png(accuracy_bars(values, chance=chance), path)


def show(rows: Sequence[dict[str, Any]], data: Path) -> None:
    """Prints the table, a summary, and the prediction of the trained TSM for one test video."""
    from spatempo.data.manifest import load_manifest
    from spatempo.evaluation.scoring.predict import predict
    from spatempo.learning.progress import clock
    from spatempo.models.checkpoint import load
    from spatempo.studies.comparing.page_content import headline, sentence

    families = list(rows[0]["families"])
    line = "{:<6}" + "{:>12}" * (len(families) + 1) + "{:>10}{:>10}{:>12}{:>12}"
    print()
    print(line.format("", *families, "all", "params", "MACs", "latency", "training"))
    for row in rows:
        accuracies = [f"{100 * row['families'][family]['accuracy']:.1f} %" for family in families]
        costs = [f"{row['params'] / 1e6:.2f} M", f"{row['macs'] / 1e9:.2f} G", f"{row['latency_ms']:.1f} ms"]
        print(line.format(row["name"], *accuracies, f"{100 * row['top1']:.1f} %", *costs, clock(row["seconds"])))
    print("\nFor classes in pairs, such as a movement and its reverse, the model chooses between the two.")
    print("The chance level is then 50 %.")
    print(sentence(rows))
    print(f"report: {rows[0]['report']}")

    model = rows[-1]
    family = headline(rows)
    test = load_manifest(data / "test.csv")
    sample = next(sample for sample in test.samples if sample.family == family or family is None)
    video = data / Path(sample.path).relative_to(test.root)
    print(f"\n$ spatempo predict {model['checkpoint']} {video} --top 3")
    for guess in predict(load(model["checkpoint"]), sample.path, top=3):
        print(f"  {100 * guess['score']:5.1f} %  {guess['label']}")
    print(f"  true class: {test.classes[sample.label]}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demo; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m spatempo.studies.demo", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", default="runs/demo", help="output folder (default: %(default)s)")
    parser.add_argument("--preset", default="demo", help="preset of the generated data set (default: %(default)s)")
    budget_help = "training budget per network: epochs=N or minutes=M (default: %(default)s)"
    parser.add_argument("--budget", default=BUDGET, help=budget_help)
    given = parser.parse_args(arguments)

    def study() -> None:
        rows = demo(given.out, preset=given.preset, budget=given.budget)
        show(rows, Path(given.out) / "data")

    return run_study("demo", study)


if __name__ == "__main__":
    sys.exit(main())
