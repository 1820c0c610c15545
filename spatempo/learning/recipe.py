"""A recipe: all settings that affect the result of training, in one documented dataclass.

A recipe contains the settings that change the *result* (learning rates, batch size, augmentation, seed). Settings that
only change the speed or the device (workers, device, cache) are arguments of :func:`spatempo.learning.train.train`.
This module does not import torch, so that the command line can show all fields quickly.

Fields that are ``None`` are filled by :func:`spatempo.learning.recipes.resolve` from properties of the data; the rule
is given for each field. The resolved recipe is saved as ``recipe.json`` in the folder of the run and in every
checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from spatempo.errors import SpatempoError
from spatempo.limits import LIMITS

CHOICES = {
    "optimizer": ("sgd", "adamw"),
    "schedule": ("onecycle", "cosine", "step"),
    "precision": ("32", "bf16", "16"),
    "scale": ("multiscale", "shift", "none"),
    "flip": ("none", "plain", "labels", "auto"),
}


@dataclass(frozen=True)
class Recipe:
    """Settings of training. Sources of the published numbers: TSM's main.py, opts.py and README, TSN's README.

    Attributes:
        name: name of the recipe that these settings are based on.
        epochs: number of passes over the training clips.
        batch_size: clips per forward pass on one device; at most the number of training clips.
        accumulate: forward passes per optimiser step. The effective batch size is batch_size x accumulate x devices.
        optimizer: ``"sgd"`` (with momentum) or ``"adamw"``.
        lr: peak learning rate. None: ``base_lr`` x effective batch size / ``base_batch`` for SGD (linear scaling:
            TSM's 0.02 at 128 gives 0.04 at 256), ``base_lr`` for AdamW.
        base_lr, base_batch: learning rate, and the effective batch size for which it was chosen.
        momentum: momentum of SGD.
        weight_decay: weight decay of weights; biases and batch norms are not decayed (TSM's groups).
        bias_lr: factor for the learning rate of biases (published: 2).
        head_lr: factor for the learning rate of a new head (published: 5, so 10 for its bias). Used only if the
            backbone starts from given weights.
        first_conv_lr: factor for the learning rate of the first convolution if the input is optical flow, for which
            image-pretrained weights do not fit (published: 5, so 10 for its bias). Used only if ``head_lr`` is used.
        schedule: learning rate per step. ``"onecycle"``: half a cosine up from lr/25, half a cosine down to
            lr/250,000; ``"cosine"``: warm-up, then half a cosine to 0; ``"step"``: warm-up, then x ``gamma`` at each
            of ``steps``.
        warmup: fraction of the run with a rising learning rate: linear from lr/10 for cosine and step, a cosine for
            onecycle.
        steps: drops of the step schedule, as fractions of the run (published: epochs 20 and 40 of 50).
        gamma: factor of each drop.
        clip_norm: largest norm of the gradients (published: 20); 0: no clipping.
        frames: number of frames per clip (T).
        size: height and width of the input in pixels. None: 112 if the median short side of the data is below 224,
            else the size of the design (224; 229 for InceptionV3, 112 for the R(2+1)D paper).
        sampling: ``"segment"`` (one frame from each of T equal parts) or ``"dense"`` (T frames from a window of 64;
            consecutive frames for the designs of the R(2+1)D paper).
        scale: crop of training clips: ``"multiscale"`` (TSN's multi-scale crop: 1, .875, .75, .66), ``"shift"``
            (random position, one size) or ``"none"`` (centre).
        flip: ``"none"``, ``"plain"`` (half of the clips are mirrored; an error if class names contain directions),
            ``"labels"`` (mirrored, and direction classes such as left and right are swapped), ``"auto"`` (labels if
            the class names contain directions, else plain).
        color: strength of colour jitter (brightness, contrast, saturation); 0: none.
        dropout: dropout before the linear layer of the head.
        label_smoothing: fraction of the target that is spread over all classes.
        partial_bn: freeze all batch norms of the image network except the first (published for UCF and HMDB).
        freeze: freeze the image network including its batch norms; train only the head and the parameters of
            operators (gates of GSM, attention of STH).
        ema: decay per step of an exponential moving average of the weights, which is used for validation and
            checkpoints. The decay starts with ``(1 + step) / (10 + step)``, so that the initial weights have little
            effect in short runs. 0: off.
        precision: ``"32"``, ``"bf16"``, ``"16"`` (mixed, with loss scaling). None: bf16 on CUDA (16 if the device
            does not support bf16), else 32. Validation always uses 32.
        seed: random seed (initial weights, data order, augmentation, dropout).
        val_split: fraction of the training clips held out if no validation data is given; stratified by class, groups
            are not split.
        deterministic: use deterministic algorithms only (slower on CUDA; runs on the CPU are always reproducible bit
            for bit).
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
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            if value is None and field.default is None:
                continue  # filled by `recipes.resolve`
            if name in CHOICES and value not in CHOICES[name]:
                raise SpatempoError(f"`{name}={value!r}`: choose from {', '.join(CHOICES[name])}")
            if name in LIMITS and not LIMITS[name].allows(value):
                raise SpatempoError(f"`{name}={value!r}`: give {LIMITS[name]}")
            if isinstance(field.default, bool) and not isinstance(value, bool):
                raise SpatempoError(f"`{name}={value!r}`: give true or false")
        if not isinstance(self.steps, tuple | list) or not all(_is_fraction(step) for step in self.steps):
            raise SpatempoError(f"`steps={self.steps!r}`: give a list of fractions of the run, above 0 and at most 1")
        object.__setattr__(self, "steps", tuple(float(step) for step in self.steps))

    def to_dict(self) -> dict[str, Any]:
        """Converts to JSON types."""
        return {**asdict(self), "steps": list(self.steps)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Inverse of :meth:`to_dict`; missing fields get their defaults.

        Raises:
            SpatempoError: a field that does not exist; the message lists all fields.
        """
        return cls(**known_fields(values))


def known_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns `values` as a dict after checking that all keys are fields of a recipe."""
    known = [field.name for field in fields(Recipe)]
    if unknown := sorted(set(values) - set(known)):
        raise SpatempoError(f"recipe: unknown field {', '.join(unknown)}; fields: {', '.join(known)}")
    return dict(values)


def _is_fraction(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Differences of two dicts as text: ``["lr was 0.04, now 0.01", ...]``."""
    keys = [*old, *(key for key in new if key not in old)]
    return [f"{key} was {old.get(key)!r}, now {new.get(key)!r}" for key in keys if old.get(key) != new.get(key)]
