"""``spatempo diagnose CHECKPOINT DATA``: what a model sees of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spatempo.cli.flags import Checkpoint, Count, Data, Path
from spatempo.cli.output import percent, print_table, print_unreadable
from spatempo.terminal import say


@dataclass
class Options:
    """Show what a model sees of time: frames in order, shuffled, reversed, frozen; with a page.

    Also by class and by number of frames, how far the model looks along time, and which frames mattered in single
    videos; of STH how much of its attention goes to time, of GSM and GSF how far their gates open. With --against, how
    much of the data needs order.
    """

    checkpoint: Checkpoint
    """a checkpoint folder, such as runs/demo/tsm/best."""
    data: Data
    """a folder of class folders, a CSV (path,label), or a published list file."""
    against: Path = None
    """checkpoint of a twin trained alike; one of the two must be order-blind (tsn_...)."""
    out: str = "runs/diagnose"
    """folder for report.html."""
    batch_size: int = 8
    """videos at a time."""
    workers: Count = None
    """processes that decode videos, 0 decodes in this one; one less than the cores if left out."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps."""
    json: bool = False
    """print one JSON document."""


def run(options: Options) -> dict[str, Any]:
    """Measures and writes the page; returns ``ordered, shuffled, reversed, frozen, per_class, ..., report``.

    Raises:
        SpatempoError: no checkpoint, unusable data, or twins of which not one is order-blind.
    """
    from spatempo.learning.clips import default_workers
    from spatempo.studies.diagnosing.diagnose import diagnose

    return diagnose(
        options.checkpoint,
        options.data,
        against=options.against,
        out=options.out,
        batch_size=options.batch_size,
        workers=default_workers() if options.workers is None else options.workers,
        device=options.device,
        progress=True,
    )


def show(document: dict[str, Any]) -> None:
    """Prints what it says in words, then the tables, then where the page is."""
    models = [document, document["against"]] if "against" in document else [document]
    for model in models:
        say(model["sentence"])
    if "data" in document:
        say(document["data"]["sentence"])
    say()
    conditions = ("ordered", "shuffled", "reversed", "frozen")
    columns = ["right answers", "in order", "shuffled", "reversed", "one frame"]
    print_table(columns, [(model["name"], *(percent(model[key]) for key in conditions)) for model in models])
    say()
    rows = [(name, *(percent(row[key]) for key in conditions)) for name, row in document["per_class"].items()]
    print_table(["class", *columns[1:]], rows)
    say()
    frames = [(row["frames"], percent(row["top1"])) for row in document["by_frames"]]
    print_table(["frames", "top-1"], frames)
    say()
    if document["confused"]:
        pairs = [
            (" / ".join(row["classes"]), percent(row["ordered"]), percent(row["shuffled"]))
            for row in document["confused"]
        ]
        print_table(["taken for each other", "in order", "shuffled"], pairs)
        say()
    for model in models:
        _show_inside(model)
    print_unreadable(document["unreadable"])
    say(f"report: {document['report']}")


def _show_inside(model: dict[str, Any]) -> None:
    """STH's attention by stage, gates by layer, of networks that have them."""
    if "attention" in model:
        found = model["attention"]
        say(found["sentence"])
        stages = [*found["stages"], {**found, "stage": "all"}]
        rows = [(row["stage"], percent(row["temporal"]), percent(row["settled"])) for row in stages]
        print_table(["attention", "to time", "settled"], rows)
        say()
    if "gates" in model:
        found = model["gates"]
        say(found["sentence"])
        keys = {"open": "open", "full": "beyond 0.9"} | ({"fusion": "weighs in"} if "fusion" in found else {})
        layers = [*found["layers"], {**found, "layer": "all"}]
        print_table(["gates", *keys.values()], [(row["layer"], *(percent(row[key]) for key in keys)) for row in layers])
        say()
