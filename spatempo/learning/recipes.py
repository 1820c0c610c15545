"""The named recipes, and what becomes of one once the data and the device are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from spatempo.data.flip import direction_flip_map
from spatempo.errors import SpatempoError
from spatempo.learning.recipe import Recipe, known_fields

RECIPES: dict[str, Recipe] = {
    # Small data from image weights, minutes on a laptop. Found on 259 real gesture clips (MobileNetV2 TSM, 8x112):
    # small batches for many steps, crops of one size to keep a gesture in the picture. SGD at 0.004 to 0.04 and AdamW
    # at 5e-4, with batches of 16 and multi-scale crops, learnt far less in as many epochs.
    "finetune": Recipe(
        batch_size=8, optimizer="adamw", base_lr=1e-3, base_batch=8, weight_decay=0.05, scale="shift",
    ),
    # No weights given: plain SGD learns little in short runs from nothing, AdamW does (trial on direction pairs).
    "scratch": Recipe(
        name="scratch", epochs=50, batch_size=32, optimizer="adamw", base_lr=1e-3, base_batch=32, weight_decay=0.05,
        schedule="cosine", warmup=0.1, dropout=0.2, label_smoothing=0.1,
    ),
    # The demo's: a small residual network, 8 frames of 48 pixels, AdamW 2e-3; order decides, so nothing is mirrored.
    "demo": Recipe(
        name="demo", epochs=12, batch_size=32, optimizer="adamw", base_lr=2e-3, base_batch=32, weight_decay=0.01,
        schedule="cosine", warmup=0.1, size=48, dropout=0.0, scale="none",
    ),
    # Something-Something v1/v2 (TSM README: 0.01 at 64, 50 epochs, steps 20 and 40, dropout 0.5, --npb, no flip;
    # weight decay is the code's default, 5e-4).
    "tsm-something": Recipe(
        name="tsm-something", epochs=50, batch_size=64, base_lr=0.01, base_batch=64, weight_decay=5e-4, bias_lr=2,
        head_lr=5, first_conv_lr=5, schedule="step", warmup=0, size=224,
    ),
    # Kinetics (TSM's scripts: 0.02 at 128, 50 epochs, steps 20 and 40, wd 1e-4, dropout 0.5, --npb).
    "tsm-kinetics": Recipe(
        name="tsm-kinetics", epochs=50, batch_size=128, base_lr=0.02, base_batch=128, bias_lr=2, head_lr=5,
        first_conv_lr=5, schedule="step", warmup=0, size=224, flip="auto",
    ),
    # UCF101 and HMDB51 from Kinetics weights (TSM README: 0.001 at 64, 25 epochs, steps 10 and 20, dropout 0.8,
    # partial BN, wd 5e-4).
    "ucf-finetune": Recipe(
        name="ucf-finetune", epochs=25, batch_size=64, base_lr=0.001, base_batch=64, weight_decay=5e-4, bias_lr=2,
        head_lr=5, first_conv_lr=5, schedule="step", warmup=0, size=224, flip="auto", dropout=0.8, partial_bn=True,
    ),
    # The R(2+1)D paper's, from nothing (0.01 at 32 clips a GPU, 10 epochs of warm-up, x0.1 at 20, 30 and 40 of 45;
    # weight decay of VMZ's script; random crops of 112 out of a short side of 128, consecutive frames; torchvision's
    # reference mirrors).
    "r2plus1d": Recipe(
        name="r2plus1d", epochs=45, batch_size=32, base_lr=0.01, base_batch=32, schedule="step", warmup=10 / 45,
        steps=(20 / 45, 30 / 45, 40 / 45), clip_norm=0, size=112, sampling="dense", scale="shift", flip="auto",
        dropout=0,
    ),
    # Its second half, on long clips from weights of short ones (0.001, x0.1 at every 4th of 15 epochs). In the paper,
    # 8 frames and then 32 gave 68.0 on Kinetics, in a third of the time of 32 all along, which gave 69.4.
    "r2plus1d-longer": Recipe(
        name="r2plus1d-longer", epochs=15, batch_size=32, base_lr=0.001, base_batch=32, schedule="step", warmup=0,
        steps=(4 / 15, 8 / 15, 12 / 15), clip_norm=0, frames=32, size=112, sampling="dense", scale="shift", flip="auto",
        dropout=0,
    ),
}  # fmt: skip


def recipe(base: str | Recipe | Mapping[str, Any] | None = None, *, weights: bool, **changes: Any) -> Recipe:
    """The recipe asked for, still with its open (``None``) fields.

    Args:
        base: a name of `RECIPES`, a Recipe, a dict of its fields; None: ``"finetune"`` when weights are given,
            ``"scratch"`` when not.
        weights: whether training starts from given weights.
        changes: fields to set; a None leaves the base's value.
    """
    changes = {key: value for key, value in known_fields(changes).items() if value is not None}
    if base is None:
        base = "finetune" if weights else "scratch"
    if isinstance(base, str):
        if base not in RECIPES:
            raise SpatempoError(f"recipe {base!r} is not known; choose from {', '.join(RECIPES)}")
        base = RECIPES[base]
    elif isinstance(base, Mapping):
        base = Recipe.from_dict(base)
    return replace(base, **changes)


def resolve(
    recipe: Recipe,
    *,
    clips: int,
    classes: Sequence[str],
    short_side: int | None,
    weights: bool,
    devices: int = 1,
    precision: str = "32",
) -> Recipe:
    """Fills the open fields of a recipe by the rules its docstring gives; a size left open is the design's own.

    Args:
        clips: number of training clips.
        classes: their names, which say whether mirroring changes them.
        short_side: median short side of the videos, pixels; None if unknown.
        weights: whether training starts from given weights.
        devices: how many train together.
        precision: what the device does best, for a recipe that leaves it open.

    Raises:
        SpatempoError: fewer clips than devices, or a direction among the classes whose mirror image is not.
    """
    if clips < devices:
        raise SpatempoError(f"{clips} training clip(s) for {devices} devices; give at least one clip a device")
    batch_size = min(recipe.batch_size, clips // devices)
    accumulate = min(recipe.accumulate, clips // (devices * batch_size))
    lr = recipe.lr
    if lr is None:
        linear = recipe.optimizer == "sgd"
        lr = recipe.base_lr * (batch_size * accumulate * devices / recipe.base_batch if linear else 1)
    flip = recipe.flip
    if flip == "auto":
        flip = "labels" if direction_flip_map(classes) else "plain"
    size = recipe.size or (112 if short_side is not None and short_side < 224 else None)
    return replace(
        recipe,
        batch_size=batch_size,
        accumulate=accumulate,
        lr=lr,
        size=size,
        flip=flip,
        head_lr=recipe.head_lr if weights else 1.0,
        first_conv_lr=recipe.first_conv_lr if weights else 1.0,
        precision=recipe.precision or precision,
    )
