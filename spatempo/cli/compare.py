"""``spatempo compare DATA --models A,B,...``: train and test several models under the same conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import arg

from spatempo.cli.fields import recipe_fields
from spatempo.cli.flags import Count, Data, Fields, Path, Protocol, Recipe, Rgb
from spatempo.cli.flags import Options as NamedOptions
from spatempo.cli.output import count, percent, print_table, print_unreadable
from spatempo.cli.values import parse_options, parse_rgb
from spatempo.errors import SpatempoError
from spatempo.terminal import print_line


@dataclass
class Options:
    """Train and test several models under the same conditions; write a table and a report page.

    All models use the same clips, recipe, budget, seeds and test views. If the command is run again, it reuses
    the finished runs in --out and continues an interrupted run.
    """

    data: Data
    """training data; for a folder with train.csv (from `data make`), its val.csv and test.csv are used as well."""
    models: Annotated[str, arg(metavar="A,B,...")]
    """model names, separated by commas; options of a single model: tsm_resnet18:causal=true:shift_div=4."""
    budget: str = "epochs=20"
    """budget per model and seed: epochs=N, minutes=M, or macs=2T (MACs of forward passes in training; also G, P)."""
    seeds: int = 1
    """number of runs per model; the reported accuracy is their mean."""
    tune: int = 0
    """number of short trials used to choose the learning rate of each design (on validation clips; needs Optuna)."""
    val: Path = None
    """clips used to choose the best epoch; without --test, the last epoch is tested on them."""
    test: Path = None
    """test clips (default: --val; without --val, one fifth of DATA is held out)."""
    protocol: Protocol = None
    recipe: Recipe = None
    frames: Count = None
    """number of frames per clip (default: from the recipe)."""
    size: Count = None
    """height and width of the input in pixels (default: from the recipe or the data)."""
    batch_size: Count = None
    """clips per forward pass (default: from the recipe)."""
    weights: Path = None
    """initial weights of every model: a file, or the name of a weight set (default: random weights)."""
    mean: Rgb = None
    """mean used when the weights were trained, values in 0..1 (default: from the .json next to the weight file)."""
    std: Rgb = None
    """standard deviation, as --mean."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps."""
    workers: Count = None
    """processes that decode videos; 0: no extra process (default: number of cores minus one, at most 8)."""
    cache: bool = False
    """keep decoded frames on disk; for small data sets."""
    out: str = "runs/compare"
    """folder for the runs and report.html."""
    option: NamedOptions = ()
    """an option such as shift_div=4, applied to every design that has this option; repeatable."""
    set: Fields = ()
    """a field of the recipe, such as lr=0.01; repeatable."""
    json: bool = False
    """print one JSON document."""


def run(options: Options) -> list[dict[str, Any]]:
    """Trains and tests the models; returns ``[{name, top1, params, macs, latency_ms, seconds, report, ...}]``.

    Raises:
        SpatempoError: unknown model or option, invalid data, or an --out that contains another comparison.
    """
    models = {}
    for short in (part.strip() for part in options.models.split(",")):
        name, *own = short.split(":")
        if short in models:
            raise SpatempoError(f"--models {options.models}: {short} is named twice; list each model once")
        if short:
            models[short] = (name, parse_options(own, f"--models {name}:"))
    flags = {name: getattr(options, name) for name in ("frames", "size", "batch_size")}
    fields = recipe_fields(flags, options.set, {"seed": "--seeds", "epochs": "--budget"})
    arguments = {name: getattr(options, name) for name in ("recipe", "weights", "workers")}
    arguments |= {"mean": parse_rgb("--mean", options.mean), "std": parse_rgb("--std", options.std)}
    arguments["cache"] = options.cache or None
    given = {name: value for name, value in arguments.items() if value is not None}
    design = parse_options(options.option)

    from spatempo.studies.comparing.compare import compare

    found = compare(
        options.data,
        models,
        budget=options.budget,
        seeds=options.seeds,
        tune=options.tune,
        out=options.out,
        val=options.val,
        test=options.test,
        protocol=options.protocol,
        options=design,
        device=options.device,
        **given,
        **fields,
    )
    return [one.to_json() for one in found]


def show(document: list[dict[str, Any]]) -> None:
    """Prints one row per model with its accuracy by family, then the path of the report page."""
    families = list(document[0].get("families", {}))
    tuned = len({row["lr"] for row in document}) > 1
    columns = ["name", "top-1", "shuffled", *(_heading(document[0], family) for family in families)]
    columns += ["params", "MACs", "latency ms", "training s", *(["lr"] if tuned else [])]
    rows = []
    for row in document:
        accuracies = [percent(row["families"][family]["accuracy"]) for family in families]
        costs = [count(row["params"]), count(row["macs"]), f"{row['latency_ms']:.1f}", f"{row['seconds']:.0f}"]
        costs += [f"{row['lr']:g}"] if tuned else []
        shuffled = None if row["shuffled"] is None else percent(row["shuffled"])
        rows.append([row["name"], percent(row["top1"]), shuffled, *accuracies, *costs])
    print_table(columns, rows)
    print_line()
    if any(row["families"][family]["within_pair"] is not None for row in document for family in families):
        print_line("within the pair: choose between a movement and its reverse; chance level is 50%")
    print_unreadable(document[0]["unreadable"])
    print_line(f"report: {document[0]['report']}")


def _heading(row: dict[str, Any], family: str) -> str:
    return family if row["families"][family]["within_pair"] is None else f"{family} (within the pair)"
