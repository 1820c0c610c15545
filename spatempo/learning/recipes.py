"""Named recipes, and the rules that complete a recipe for given data and devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from spatempo.data.flip import direction_flip_map
from spatempo.errors import SpatempoError
from spatempo.learning.recipe import Recipe, known_fields

RECIPES: dict[str, Recipe] = {
    # Small data from ImageNet weights, minutes on a laptop. Chosen on 259 real gesture clips (MobileNetV2 TSM, 8x112):
    # small batches for many steps, and crops of one size to keep the gesture visible. SGD at 0.004 to 0.04 and AdamW
    # at 5e-4, with batches of 16 and multi-scale crops, gave much lower accuracy in the same number of epochs.
    "finetune": Recipe(
        batch_size=8, optimizer="adamw", base_lr=1e-3, base_batch=8, weight_decay=0.05, scale="shift",
    ),
    # From random weights: SGD learns little in short runs, AdamW learns more (tested on direction pairs).
    "scratch": Recipe(
        name="scratch", epochs=50, batch_size=32, optimizer="adamw", base_lr=1e-3, base_batch=32, weight_decay=0.05,
        schedule="cosine", warmup=0.1, dropout=0.2, label_smoothing=0.1,
    ),
    # For the demo: a small residual network, 8 frames of 48 pixels, AdamW 2e-3. No flips, since classes are directions.
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
    # R(2+1)D paper, from random weights (0.01 at 32 clips per GPU, 10 epochs of warm-up, x0.1 at 20, 30 and 40 of 45;
    # weight decay of VMZ's script; random crops of 112 from a short side of 128, consecutive frames; flips as in
    # torchvision's reference).
    "r2plus1d": Recipe(
        name="r2plus1d", epochs=45, batch_size=32, base_lr=0.01, base_batch=32, schedule="step", warmup=10 / 45,
        steps=(20 / 45, 30 / 45, 40 / 45), clip_norm=0, size=112, sampling="dense", scale="shift", flip="auto",
        dropout=0,
    ),
    # Second stage of the R(2+1)D paper: long clips, from weights trained on short clips (0.001, x0.1 every 4th of 15
    # epochs). In the paper, 8 frames and then 32 gave 68.0 on Kinetics in a third of the time of 32 frames only (69.4).
    "r2plus1d-longer": Recipe(
        name="r2plus1d-longer", epochs=15, batch_size=32, base_lr=0.001, base_batch=32, schedule="step", warmup=0,
        steps=(4 / 15, 8 / 15, 12 / 15), clip_norm=0, frames=32, size=112, sampling="dense", scale="shift", flip="auto",
        dropout=0,
    ),
}  # fmt: skip


def recipe(base: str | Recipe | Mapping[str, Any] | None = None, *, weights: bool, **changes: Any) -> Recipe:
    """Recipe with the given changes. Fields that are ``None`` are not filled yet.

    Args:
        base: a name of `RECIPES`, a Recipe, or a dict of its fields; None: ``"finetune"`` with weights, else
            ``"scratch"``.
        weights: whether training starts from given weights.
        changes: fields to set; None keeps the value of the base.
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
    """Fills the fields of a recipe that are ``None``, by the rules in the docstring of `Recipe`.

    A size that remains ``None`` is set by the design.

    Args:
        clips: number of training clips.
        classes: class names, which show whether mirroring changes the class.
        short_side: median short side of the videos in pixels; None if unknown.
        weights: whether training starts from given weights.
        devices: number of devices used together.
        precision: default precision of the device, used if the recipe has none.

    Raises:
        SpatempoError: fewer clips than devices, or a class is a direction without its mirror image in the classes.
    """
    if clips < devices:
        raise SpatempoError(f"{clips} training clip(s) for {devices} devices; give at least one clip per device")
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
