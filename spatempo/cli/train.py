"""``spatempo train DATA --model NAME``: train a design on labelled videos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import arg

from spatempo.cli.fields import recipe_fields
from spatempo.cli.flags import Count, Data, Fields, Number, Path, Recipe, Rgb, Text
from spatempo.cli.flags import Options as NamedOptions
from spatempo.cli.output import percent, print_table
from spatempo.cli.values import parse_options, parse_rgb
from spatempo.terminal import say


@dataclass
class Options:
    """Train a design on labelled videos.

    What is not said comes from a recipe: `finetune` when --weights are given, else `scratch`. The resolved recipe is
    saved beside the checkpoints. The same command with --resume goes on where a run was cut off.
    """

    data: Data
    """a folder of class folders, a CSV (path,label), or a published list file."""
    model: Annotated[str, arg(metavar="NAME")]
    """a design by its name (`spatempo models`), such as tsm_resnet50."""
    val: Path = None
    """validation data, of the same three kinds."""
    val_split: Number = None
    """share of DATA held out for validation when there is no --val; stratified, groups kept whole."""
    recipe: Recipe = None
    frames: Count = None
    """frames of a clip."""
    size: Count = None
    """side of the square input in pixels."""
    epochs: Count = None
    """passes over the training clips."""
    batch_size: Count = None
    """clips of one forward pass on one device."""
    lr: Number = None
    """peak learning rate."""
    accumulate: Count = None
    """forward passes of one optimiser step."""
    precision: Text = None
    """32, bf16 or 16."""
    seed: Count = None
    """of initial weights, order, augmentation and dropout."""
    weights: Path = None
    """weights to start from: a file (.safetensors, .pth), or a weight set of timm or torchvision by its name."""
    mean: Rgb = None
    """what the weights were trained with, when the file has no .json beside it; values in 0..1."""
    std: Rgb = None
    """as --mean."""
    freeze: bool = False
    """train the head only."""
    deterministic: bool = False
    """only deterministic algorithms (slower on CUDA)."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps."""
    devices: Count = None
    """how many train together (DDP); all CUDA devices if left out."""
    workers: Count = None
    """processes that decode videos, 0 decodes in this one; one less than the cores if left out."""
    cache: bool = False
    """keep decoded frames, for small data on small machines."""
    max_unreadable: float = 0.0
    """share of videos that may be unreadable before training stops; they are counted, never replaced."""
    out: Path = None
    """folder of the run: recipe.json, best/, last/, resume/, logs/; runs/NAME if left out."""
    resume: bool = False
    """go on with the run in --out."""
    option: NamedOptions = ()
    """an option of the design, such as shift_div=8 or p=1/8; repeatable."""
    set: Fields = ()
    """any other field of the recipe, such as ema=0.999, flip=labels or dropout=0.8; repeatable."""
    json: bool = False
    """print one JSON document."""


# flags that set the field of the recipe with their name
_FIELDS = (
    *("epochs", "batch_size", "lr", "accumulate", "precision", "seed", "frames", "size", "val_split"),
    *("freeze", "deterministic"),
)


def run(options: Options) -> dict[str, Any]:
    """Trains; returns ``checkpoint, epochs, seconds, top1, top5`` of the best checkpoint.

    Raises:
        SpatempoError: an unknown design, unusable data or weights, a field the recipe does not have.
    """
    fields = recipe_fields({name: getattr(options, name) for name in _FIELDS}, options.set)
    design = parse_options(options.option)
    mean, std = parse_rgb("--mean", options.mean), parse_rgb("--std", options.std)

    from spatempo.learning.train import train

    result = train(
        options.data,
        model=options.model,
        val=options.val,
        out=options.out,
        recipe=options.recipe,
        weights=options.weights,
        mean=mean,
        std=std,
        options=design,
        resume=options.resume,
        device=options.device,
        devices=options.devices,
        workers=options.workers,
        cache=options.cache,
        max_unreadable=options.max_unreadable,
        **fields,
    )
    return {
        "checkpoint": str(result.checkpoint),
        "epochs": result.epochs,
        "seconds": round(result.seconds, 3),
        "top1": result.top1,
        "top5": result.top5,
    }


def show(document: dict[str, Any]) -> None:
    """Prints the result and what to do next."""
    top1, top5 = percent(document["top1"]), percent(document["top5"])
    print_table(
        ["epochs", "seconds", "top-1", "top-5", "checkpoint"],
        [(document["epochs"], f"{document['seconds']:.0f}", top1, top5, document["checkpoint"])],
    )
    say()
    say(f"next: spatempo test {document['checkpoint']} DATA   or   spatempo predict {document['checkpoint']} VIDEO")
