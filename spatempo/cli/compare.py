"""``spatempo compare DATA --models A,B,...``: train and test several designs alike."""

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
from spatempo.terminal import say


@dataclass
class Options:
    """Train and test several designs alike; table and page.

    The same clips, recipe, budget, seeds and test views for each. Started again, it takes finished runs from --out and
    goes on with the one that was cut off.
    """

    data: Data
    """what to train on; a folder with train.csv (as `data make` writes) brings its val.csv and test.csv along."""
    models: Annotated[str, arg(metavar="A,B,...")]
    """designs by their names, with commas between; options of one alone as in tsm_resnet18:causal=true:shift_div=4."""
    budget: str = "epochs=20"
    """of each design and seed: epochs=N, minutes=M, or macs=2T (forward passes of training; also G, P)."""
    seeds: int = 1
    """runs of each design; accuracies are their means."""
    tune: int = 0
    """so many short trials of each design choose its learning rate on the validation clips; needs Optuna."""
    val: Path = None
    """clips that choose the best epoch; tested on (with the last epoch) when there is no --test."""
    test: Path = None
    """clips to test on; without --test and --val a fifth of DATA is held out."""
    protocol: Protocol = None
    recipe: Recipe = None
    frames: Count = None
    """frames of a clip."""
    size: Count = None
    """side of the square input in pixels."""
    batch_size: Count = None
    """clips of one forward pass."""
    weights: Path = None
    """weights that every design starts from: a file, or a weight set by its name."""
    mean: Rgb = None
    """what the weights were trained with; values in 0..1."""
    std: Rgb = None
    """as --mean."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps."""
    workers: Count = None
    """processes that decode videos, 0 decodes in this one; one less than the cores if left out."""
    cache: bool = False
    """keep decoded frames, for small data on small machines."""
    out: str = "runs/compare"
    """folder for the runs and report.html."""
    option: NamedOptions = ()
    """an option of the designs, such as shift_div=4; those that have it take it; repeatable."""
    set: Fields = ()
    """a field of the recipe, such as lr=0.01; repeatable."""
    json: bool = False
    """print one JSON document."""


def run(options: Options) -> list[dict[str, Any]]:
    """Trains and tests; returns ``[{name, top1, params, macs, latency_ms, seconds, report, ...}]``.

    Raises:
        SpatempoError: an unknown design or option, unusable data, or an --out that holds another comparison.
    """
    models = {}
    for short in (part.strip() for part in options.models.split(",")):
        name, *own = short.split(":")
        if short in models:
            raise SpatempoError(f"--models {options.models}: {short} is named twice")
        if short:
            models[short] = (name, parse_options(own, f"--models {name}:"))
    flags = {name: getattr(options, name) for name in ("frames", "size", "batch_size")}
    fields = recipe_fields(flags, options.set, {"seed": "--seeds", "epochs": "--budget"})
    asked = {name: getattr(options, name) for name in ("recipe", "weights", "workers")}
    asked |= {"mean": parse_rgb("--mean", options.mean), "std": parse_rgb("--std", options.std)}
    asked["cache"] = options.cache or None
    given = {name: value for name, value in asked.items() if value is not None}
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
    """Prints a row a design, then accuracies by family, then where the page is."""
    families = list(document[0].get("families", {}))
    tuned = len({row["lr"] for row in document}) > 1
    columns = ["name", "top-1", "shuffled", *(_heading(document[0], family) for family in families)]
    columns += ["params", "MACs", "latency ms", "training s", *(["lr"] if tuned else [])]
    rows = []
    for row in document:
        shares = [percent(row["families"][family]["accuracy"]) for family in families]
        costs = [count(row["params"]), count(row["macs"]), f"{row['latency_ms']:.1f}", f"{row['seconds']:.0f}"]
        costs += [f"{row['lr']:g}"] if tuned else []
        shuffled = None if row["shuffled"] is None else percent(row["shuffled"])
        rows.append([row["name"], percent(row["top1"]), shuffled, *shares, *costs])
    print_table(columns, rows)
    say()
    if any(row["families"][family]["within_pair"] is not None for row in document for family in families):
        say("within the pair: a movement or its reverse; 50% is a coin toss")
    print_unreadable(document[0]["unreadable"])
    say(f"report: {document[0]['report']}")


def _heading(row: dict[str, Any], family: str) -> str:
    return family if row["families"][family]["within_pair"] is None else f"{family} (within the pair)"
