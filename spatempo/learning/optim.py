"""The optimiser and its parameter groups, and the learning rate as a pure function of the step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from spatempo.errors import SpatempoError
from spatempo.learning.recipe import Recipe

ONECYCLE_START = 1 / 25  # torch's OneCycleLR: div_factor 25, final_div_factor 1e4
ONECYCLE_END = ONECYCLE_START / 1e4
WARMUP_START = 0.1  # mmaction2's TSM: linear warm-up from a tenth of the rate


def parameter_groups(model: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """The published groups (TSM's main.py, after TSN): what learns faster, and what is not decayed.

    | group       | learning rate          | weight decay |
    |-------------|------------------------|--------------|
    | weights     | lr                     | yes          |
    | biases      | lr x bias_lr           | no           |
    | norms       | lr                     | no           |
    | head weight | lr x head_lr           | yes          |
    | head bias   | lr x head_lr x bias_lr | no           |

    With the published bias_lr 2 and head_lr 5 a new head's bias learns 10 times as fast. The stem's first convolution
    has a group of its own in the original because it is new for flow; for RGB its rates are those of all others.
    "norms" also takes the per-channel scales of other kinds (ConvNeXt's layer scale).

    Args:
        model: a VideoModel (its ``head_parameters()`` are the head); frozen parameters are left out.
        recipe: a resolved recipe.

    Raises:
        SpatempoError: everything is frozen.
    """
    assert recipe.lr is not None, "a resolved recipe has a learning rate"
    groups: dict[str, list[nn.Parameter]] = {
        name: [] for name in ("weights", "biases", "norms", "head weight", "head bias")
    }
    head = {id(p) for p in model.head_parameters()}  # pyright: ignore[reportCallIssue]
    seen: set[int] = set()
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad and id(parameter) not in seen:  # a shared parameter is stepped once
                seen.add(id(parameter))
                groups[_group(module, name, parameter, id(parameter) in head)].append(parameter)
    if not seen:
        raise SpatempoError("nothing to train: every parameter of the model is frozen")
    rates = {
        "weights": (1.0, recipe.weight_decay),
        "biases": (recipe.bias_lr, 0.0),
        "norms": (1.0, 0.0),
        "head weight": (recipe.head_lr, recipe.weight_decay),
        "head bias": (recipe.head_lr * recipe.bias_lr, 0.0),
    }
    return [
        {"name": name, "params": groups[name], "lr": recipe.lr * factor, "weight_decay": decay}
        for name, (factor, decay) in rates.items()
        if groups[name]
    ]


def _group(module: nn.Module, name: str, parameter: nn.Parameter, in_head: bool) -> str:
    if in_head:
        return "head bias" if parameter.ndim <= 1 else "head weight"
    if isinstance(module, _BatchNorm | nn.LayerNorm | nn.GroupNorm):
        return "norms"
    if name.endswith("bias"):
        return "biases"
    per_channel = sum(length > 1 for length in parameter.shape) <= 1
    return "norms" if per_channel and not isinstance(module, _ConvNd | nn.Linear) else "weights"


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """SGD with momentum, or AdamW with torch's betas, over :func:`parameter_groups`."""
    groups = parameter_groups(model, recipe)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.lr)  # pyright: ignore[reportArgumentType]
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum)  # pyright: ignore[reportArgumentType]


def make_scheduler(
    optimizer: torch.optim.Optimizer, recipe: Recipe, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """Sets each group's rate to its peak times :func:`lr_factor`, step by step."""
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: lr_factor(recipe, step, steps))


def lr_factor(recipe: Recipe, step: int, steps: int) -> float:
    """The learning rate of a step as a multiple of the peak.

    Args:
        recipe: its ``schedule``, ``warmup``, ``steps`` and ``gamma`` count.
        step: of the optimiser, from 0; at or beyond `steps` it is the last one's.
        steps: of the whole run.
    """
    step = min(step, steps - 1)
    if recipe.schedule == "onecycle":
        peak = max(0.0, recipe.warmup * steps - 1)  # as torch's OneCycleLR counts
        if step <= peak:
            return _half_cosine(ONECYCLE_START, 1.0, step / peak if peak else 1.0)
        return _half_cosine(1.0, ONECYCLE_END, (step - peak) / (steps - 1 - peak))
    rise = round(recipe.warmup * steps)
    if step < rise:
        return WARMUP_START + (1 - WARMUP_START) * step / rise
    if recipe.schedule == "cosine":
        return _half_cosine(1.0, 0.0, (step - rise) / (steps - rise))
    return recipe.gamma ** sum(step >= round(share * steps) for share in recipe.steps)


def _half_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def freeze(model: nn.Module, recipe: Recipe) -> Callable[[], None]:
    """Freezes what the recipe says, and returns what must be called after every ``model.train()``.

    ``recipe.freeze``: all but the head. ``recipe.partial_bn``: all batch norms but the first (TSN's partial BN: the
    first one meets the new data's own statistics, the others are too noisy to re-estimate from small batches).
    Frozen batch norms take no part in training: no gradient, and eval mode, so their running statistics stay.
    Undone by :func:`unfreeze`.
    """
    if recipe.freeze:
        head = {id(p) for p in model.head_parameters()}  # pyright: ignore[reportCallIssue]
        for parameter in model.parameters():
            parameter.requires_grad_(id(parameter) in head)
    frozen = batch_norms(model)[0 if recipe.freeze else 1 :] if recipe.freeze or recipe.partial_bn else []
    for norm in frozen:
        for parameter in norm.parameters():
            parameter.requires_grad_(False)

    def keep_frozen() -> None:
        for norm in frozen:
            norm.eval()

    keep_frozen()
    return keep_frozen


def unfreeze(model: nn.Module) -> None:
    """Every parameter learns again, and every batch norm follows the mode of the model."""
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    for norm in batch_norms(model):
        norm.train(model.training)


def batch_norms(model: nn.Module) -> list[nn.Module]:
    """In the order of the modules, the stem's first."""
    return [m for m in model.modules() if isinstance(m, _BatchNorm)]
