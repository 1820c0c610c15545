"""A recipe: everything that decides what training computes, as one documented dataclass.

A recipe holds what changes the *result* (rates, batch, augmentation, seed); what only changes how fast or where it is
computed (workers, device, cache) are arguments of :func:`spatempo.learning.train.train`. No torch here, so that a
command line can show every field without loading it.

Fields that are ``None`` are filled by :func:`spatempo.learning.recipes.resolve` from a few facts of the data, by rules
written beside each field. The resolved recipe is saved as ``recipe.json`` in the run's folder and inside every
checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from spatempo.errors import SpatempoError

CHOICES = {
    "optimizer": ("sgd", "adamw"),
    "schedule": ("onecycle", "cosine", "step"),
    "precision": ("32", "bf16", "16"),
    "scale": ("multiscale", "shift", "none"),
    "flip": ("none", "plain", "labels", "auto"),
}


@dataclass(frozen=True)
class Recipe:
    """How a model is trained. Sources of the published numbers: TSM's main.py, opts.py and README, TSN's README.

    Attributes:
        name: the preset this recipe started from.
        epochs: passes over the training clips.
        batch_size: clips of one forward pass on one device; at most the number of training clips.
        accumulate: forward passes per optimiser step. The effective batch is batch_size x accumulate x devices.
        optimizer: ``"sgd"`` (momentum) or ``"adamw"``.
        lr: peak learning rate. None: ``base_lr`` x effective batch / ``base_batch`` (the linear rule: TSM's 0.02 at
            128 is 0.04 at 256); AdamW: ``base_lr`` as it stands.
        base_lr, base_batch: the rate and the effective batch it was found at.
        momentum: of SGD.
        weight_decay: of weights; biases and batch norms are never decayed (TSM's groups).
        bias_lr: biases learn at this multiple of the rate (published: 2).
        head_lr: a new head learns at this multiple (published: 5, hence 10 for its bias). Counts only where the
            rest starts from given weights; a network trained from nothing is new everywhere.
        first_conv_lr: the first convolution learns at this multiple where it is fed optical flow, of which image
            weights know nothing (published: 5, hence 10 for its bias). Counts where ``head_lr`` does.
        schedule: per step. ``"onecycle"``: half a cosine up from lr/25, half a cosine down to lr/250,000;
            ``"cosine"``: warm-up, then half a cosine to 0; ``"step"``: warm-up, then x ``gamma`` at each of ``steps``.
        warmup: share of the run that rises: linear from lr/10 for cosine and step; the cosine's for onecycle.
        steps: where the step schedule drops, as shares of the run (published: epochs 20 and 40 of 50).
        gamma: the factor of each drop.
        clip_norm: gradients are scaled down to this norm (published: 20); 0: never.
        frames: frames of a clip (T).
        size: side of the square input, pixels. None: 112 where the data's median short side is below 224, else
            what the design asks for (224; 229 for InceptionV3, 112 in the R(2+1)D paper's).
        sampling: ``"segment"`` (one frame from each of T equal parts) or ``"dense"`` (T frames of a window of 64, or,
            for the R(2+1)D paper's designs, consecutive ones).
        scale: the square a training clip is cut to: ``"multiscale"`` (the field's multi-scale crop: 1, .875, .75,
            .66), ``"shift"`` (any place, one size) or ``"none"`` (the centre).
        flip: ``"none"``, ``"plain"`` (half of the clips are mirrored; refused where class names hold directions),
            ``"labels"`` (mirrored, and direction classes such as left and right swap), ``"auto"`` (labels where the
            class names hold directions, else plain).
        color: strength of colour jitter (brightness, contrast, saturation), 0: none.
        dropout: before the head's linear layer.
        label_smoothing: share of the target spread over all classes.
        partial_bn: all batch norms of the image network but the first keep their statistics and affine (published for
            UCF and HMDB).
        freeze: the image network stays as given, its batch norms included; only the head learns, and what operators
            bring along (a GSM's gates, an STH's attention).
        ema: decay per step of an exponential moving average of the weights, which is then what is validated and
            saved as best; it starts as ``(1 + step) / (10 + step)``, so that short runs forget their start. 0: off.
        precision: ``"32"``, ``"bf16"``, ``"16"`` (mixed, with loss scaling). None: 32, on CUDA bf16 (16 where the
            device has no bf16). Validation is always computed in 32.
        seed: of initial weights, order, augmentation and dropout.
        val_split: share of the training clips held out when no validation data is given; stratified, groups whole.
        deterministic: only deterministic algorithms (costs speed on CUDA; on the CPU runs repeat bit for bit anyway).
    """

    name: str = "finetune"
    epochs: int = 20
    batch_size: int = 16
    accumulate: int = 1
    optimizer: str = "sgd"
    lr: float | None = None
    base_lr: float = 0.04
    base_batch: int = 16
    momentum: float = 0.9
    weight_decay: float = 1e-4
    bias_lr: float = 1.0
    head_lr: float = 1.0
    first_conv_lr: float = 1.0
    schedule: str = "onecycle"
    warmup: float = 0.3
    steps: tuple[float, ...] = (0.4, 0.8)
    gamma: float = 0.1
    clip_norm: float = 20.0
    frames: int = 8
    size: int | None = None
    sampling: str = "segment"
    scale: str = "multiscale"
    flip: str = "none"
    color: float = 0.0
    dropout: float = 0.5
    label_smoothing: float = 0.0
    partial_bn: bool = False
    freeze: bool = False
    ema: float = 0.0
    precision: str | None = None
    seed: int = 0
    val_split: float = 0.0
    deterministic: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(float(s) for s in self.steps))
        for name, allowed in CHOICES.items():
            value = getattr(self, name)
            if value not in allowed and not (name == "precision" and value is None):
                raise SpatempoError(f"recipe: {name} is {value!r}; choose from {', '.join(allowed)}")
        for name in ("epochs", "batch_size", "accumulate", "base_batch", "frames"):
            _check(self, name, _is_int(getattr(self, name)) and getattr(self, name) >= 1, "a whole number from 1")
        _check(self, "size", self.size is None or (_is_int(self.size) and self.size >= 1), "pixels, a whole number")
        _check(self, "seed", _is_int(self.seed) and 0 <= self.seed < 2**63, "a whole number from 0")
        _check(self, "lr", self.lr is None or _in(self.lr, 0, math.inf, low_open=True), "a number above 0")
        _check(self, "base_lr", _in(self.base_lr, 0, math.inf, low_open=True), "a number above 0")
        for name in ("weight_decay", "bias_lr", "head_lr", "first_conv_lr", "gamma", "clip_norm"):
            _check(self, name, _in(getattr(self, name), 0, math.inf), "a number from 0")
        for name in ("momentum", "dropout", "label_smoothing", "warmup", "ema", "color", "val_split"):
            _check(self, name, _in(getattr(self, name), 0, 1) and getattr(self, name) < 1, "a share from 0 to below 1")
        _check(self, "steps", all(0 < s <= 1 for s in self.steps), "shares of the run, above 0 and at most 1")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {**asdict(self), "steps": list(self.steps)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Inverse of :meth:`to_dict`; missing fields take their defaults.

        Raises:
            SpatempoError: a field that does not exist, naming those that do.
        """
        return cls(**known_fields(values))


def known_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same, once all of them are a recipe's."""
    known = [field.name for field in fields(Recipe)]
    if unknown := sorted(set(values) - set(known)):
        raise SpatempoError(f"recipe: no field {', '.join(unknown)}; it has {', '.join(known)}")
    return dict(values)


def _check(recipe: Recipe, name: str, good: bool, wanted: str) -> None:
    if not good:
        raise SpatempoError(f"recipe: {name} is {getattr(recipe, name)!r}; give {wanted}")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _in(value: object, low: float, high: float, *, low_open: bool = False) -> bool:
    """Whether a value is a number of the interval (NaN and infinity are not)."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    return low < value <= high if low_open else low <= value <= high


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """``["lr was 0.04, now 0.01", ...]``: where two plain dicts differ, keys of either."""
    keys = [*old, *(key for key in new if key not in old)]
    return [f"{key} was {old.get(key)!r}, now {new.get(key)!r}" for key in keys if old.get(key) != new.get(key)]
