"""``spatempo train DATA --model NAME``: train a model on labelled videos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import arg

from spatempo.cli.fields import recipe_fields
from spatempo.cli.flags import Count, Data, Fields, Number, Path, Recipe, Rgb, Text
from spatempo.cli.flags import Options as NamedOptions
from spatempo.cli.output import percent, print_table
from spatempo.cli.values import parse_options, parse_rgb
from spatempo.terminal import print_line


@dataclass
class Options:
    """Train a model on labelled videos.

    Settings that are not given come from a recipe (default: `finetune` with --weights, else `scratch`). The complete
    recipe is saved next to the checkpoints. The same command with --resume continues an interrupted run.
    """

    data: Data
    """a folder of class folders, a CSV (path,label), or a published list file."""
    model: Annotated[str, arg(metavar="NAME")]
    """name of a model (see `spatempo models`), such as tsm_resnet50."""
    val: Path = None
    """validation data: a folder, a CSV or a list file, as DATA."""
    val_split: Number = None
    """fraction of DATA held out for validation if there is no --val; stratified by class, groups are not split."""
    recipe: Recipe = None
    frames: Count = None
    """number of frames per clip (default: from the recipe)."""
    size: Count = None
    """height and width of the input in pixels (default: from the recipe or the data)."""
    epochs: Count = None
    """number of passes over the training clips (default: from the recipe)."""
    batch_size: Count = None
    """clips per forward pass and device (default: from the recipe)."""
    lr: Number = None
    """peak learning rate (default: from the recipe)."""
    accumulate: Count = None
    """forward passes per optimiser step (default: from the recipe)."""
    precision: Text = None
    """32, bf16 or 16 (default: bf16 or 16 on CUDA, else 32)."""
    seed: Count = None
    """random seed (initial weights, data order, augmentation, dropout) (default: 0)."""
    weights: Path = None
    """initial weights: a file (.safetensors, .pth), or the name of a weight set of timm or torchvision."""
    mean: Rgb = None
    """mean used when the weights were trained, values in 0..1 (default: from the .json next to the weight file)."""
    std: Rgb = None
    """standard deviation, as --mean."""
    freeze: bool = False
    """train only the head and the parameters of temporal operators."""
    deterministic: bool = False
    """use deterministic algorithms only (slower on CUDA)."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps."""
    devices: Count = None
    """number of devices used together with DDP (default: all CUDA devices, else one)."""
    workers: Count = None
    """processes that decode videos; 0: no extra process (default: number of cores minus one, at most 8)."""
    cache: bool = False
    """keep decoded frames on disk; for small data sets."""
    max_unreadable: float = 0.0
    """largest fraction of unreadable videos that training accepts; they are reported and never replaced."""
    out: Path = None
    """folder of the run: recipe.json, best/, last/, resume/, logs/ (default: runs/NAME)."""
    resume: bool = False
    """continue the run in --out."""
    option: NamedOptions = ()
    """an option of the design, such as shift_div=8 or p=1/8; repeatable."""
    set: Fields = ()
    """any other field of the recipe, such as ema=0.999, flip=labels or dropout=0.8; repeatable."""
    json: bool = False
    """print one JSON document."""


# flags that set the recipe field of the same name
_FIELDS = (
    *("epochs", "batch_size", "lr", "accumulate", "precision", "seed", "frames", "size", "val_split"),
    *("freeze", "deterministic"),
)


def run(options: Options) -> dict[str, Any]:
    """Trains; returns ``checkpoint, epochs, seconds, top1, top5`` of the best checkpoint.

    Raises:
        SpatempoError: unknown model, invalid data or weights, or a field that the recipe does not have.
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
    """Prints the result and the next command."""
    top1, top5 = percent(document["top1"]), percent(document["top5"])
    print_table(
        ["epochs", "seconds", "top-1", "top-5", "checkpoint"],
        [(document["epochs"], f"{document['seconds']:.0f}", top1, top5, document["checkpoint"])],
    )
    print_line()
    print_line(
        f"next: spatempo test {document['checkpoint']} DATA   or   spatempo predict {document['checkpoint']} VIDEO"
    )
