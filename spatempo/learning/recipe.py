"""A recipe: everything that decides what training computes, as one documented dataclass.

A recipe holds what changes the *result* (rates, batch, augmentation, seed); what only changes how fast or where it is
computed (workers, device, cache) are arguments of :func:`spatempo.learning.train.train`. No torch here, so that a
command line can show every field without loading it.

Fields that are ``None`` are filled by :func:`spatempo.learning.recipes.resolve` from a few facts of the data, by rules
written beside each field. The resolved recipe is saved as ``recipe.json`` in the run's folder and inside every
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
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            if value is None and field.default is None:
                continue  # open, `recipes.resolve` fills it
            if name in CHOICES and value not in CHOICES[name]:
                raise SpatempoError(f"`{name}={value!r}`: choose from {', '.join(CHOICES[name])}")
            if name in LIMITS and not LIMITS[name].allows(value):
                raise SpatempoError(f"`{name}={value!r}`: give {LIMITS[name]}")
            if isinstance(field.default, bool) and not isinstance(value, bool):
                raise SpatempoError(f"`{name}={value!r}`: give true or false")
        if not isinstance(self.steps, tuple | list) or not all(_is_drop(share) for share in self.steps):
            raise SpatempoError(f"`steps={self.steps!r}`: give a list of fractions of the run, above 0 and at most 1")
        object.__setattr__(self, "steps", tuple(float(share) for share in self.steps))

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


def _is_drop(share: object) -> bool:
    return isinstance(share, int | float) and not isinstance(share, bool) and 0 < share <= 1


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """``["lr was 0.04, now 0.01", ...]``: where two plain dicts differ, keys of either."""
    keys = [*old, *(key for key in new if key not in old)]
    return [f"{key} was {old.get(key)!r}, now {new.get(key)!r}" for key in keys if old.get(key) != new.get(key)]
