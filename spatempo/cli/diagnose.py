"""``spatempo diagnose CHECKPOINT DATA``: how much a model uses the order of frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spatempo.cli.flags import Checkpoint, Count, Data, Path
from spatempo.cli.output import percent, print_table, print_unreadable
from spatempo.terminal import print_line


@dataclass
class Options:
    """Measure accuracy with frames in order, shuffled, reversed and frozen; write a report page.

    The page shows the accuracy per class and per number of frames, the measured temporal receptive field, and the
    frames that mattered most in single videos. For STH it also shows the attention to time, for GSM and GSF how far
    the gates open. With --against, it shows how much of the data needs frame order. Of an exported file only accuracies
    are measured.
    """

    checkpoint: Checkpoint
    """a checkpoint folder, such as runs/demo/tsm/best, or an exported file (.onnx, or an OpenVINO folder)."""
    data: Data
    """a folder of class folders, a CSV (path,label), or a published list file."""
    against: Path = None
    """second checkpoint, trained with the same settings; one of the two must ignore frame order (tsn_...)."""
    out: str = "runs/diagnose"
    """folder for report.html."""
    batch_size: int = 8
    """videos per forward pass."""
    workers: Count = None
    """processes that decode videos; 0: no extra process (default: number of cores minus one, at most 8)."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps."""
    json: bool = False
    """print one JSON document."""


def run(options: Options) -> dict[str, Any]:
    """Measures and writes the page; returns ``ordered, shuffled, reversed, frozen, per_class, ..., report``.

    Raises:
        SpatempoError: no checkpoint, invalid data, or two checkpoints that both use frame order.
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
    """Prints the summary, the tables, and the path of the report page."""
    models = [document, document["against"]] if "against" in document else [document]
    for model in models:
        print_line(model["sentence"])
    if "data" in document:
        print_line(document["data"]["sentence"])
    print_line()
    conditions = ("ordered", "shuffled", "reversed", "frozen")
    columns = ["accuracy", "in order", "shuffled", "reversed", "one frame"]
    print_table(columns, [(model["name"], *(percent(model[key]) for key in conditions)) for model in models])
    print_line()
    rows = [(name, *(percent(row[key]) for key in conditions)) for name, row in document["per_class"].items()]
    print_table(["class", *columns[1:]], rows)
    print_line()
    frames = [(row["frames"], percent(row["top1"])) for row in document["by_frames"]]
    print_table(["frames", "top-1"], frames)
    print_line()
    if document["confused"]:
        pairs = [
            (" / ".join(row["classes"]), percent(row["ordered"]), percent(row["shuffled"]))
            for row in document["confused"]
        ]
        print_table(["classes confused when shuffled", "in order", "shuffled"], pairs)
        print_line()
    for model in models:
        _show_inside(model)
        if "not_measured" in model:
            print_line(f"{model['name']} is exported, so these are not measured: {', '.join(model['not_measured'])}")
    print_unreadable(document["unreadable"])
    print_line(f"report: {document['report']}")


def _show_inside(model: dict[str, Any]) -> None:
    """Prints attention per stage (STH) and gates per layer (GSM, GSF), if the model has them."""
    if "attention" in model:
        found = model["attention"]
        print_line(found["sentence"])
        stages = [*found["stages"], {**found, "stage": "all"}]
        rows = [(row["stage"], percent(row["temporal"]), percent(row["single_branch"])) for row in stages]
        print_table(["attention", "temporal branch", "one branch > 95%"], rows)
        print_line()
    if "gates" in model:
        found = model["gates"]
        print_line(found["sentence"])
        keys = {"open": "open", "fully_open": "above 0.9", "fusion_weight": "fusion weight"}
        keys = {key: words for key, words in keys.items() if key in found}
        layers = [*found["layers"], {**found, "layer": "all"}]
        print_table(["gates", *keys.values()], [(row["layer"], *(percent(row[key]) for key in keys)) for row in layers])
        print_line()
