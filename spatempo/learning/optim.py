"""Optimiser, parameter groups, and the learning rate as a pure function of the step."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from spatempo.errors import SpatempoError
from spatempo.learning.recipe import Recipe
from spatempo.models.first_conv import first_conv
from spatempo.models.video_model import VideoModel

ONECYCLE_START = 1 / 25  # torch's OneCycleLR: div_factor 25, final_div_factor 1e4
ONECYCLE_END = ONECYCLE_START / 1e4
WARMUP_START = 0.1  # mmaction2's TSM: linear warm-up from a tenth of the rate


def parameter_groups(model: VideoModel, recipe: Recipe) -> list[dict[str, Any]]:
    """The published parameter groups (TSM's main.py, after TSN) with their learning rates and weight decays.

    | group        | learning rate                | weight decay |
    |--------------|------------------------------|--------------|
    | weights      | lr                           | yes          |
    | biases       | lr x bias_lr                 | no           |
    | norms        | lr                           | no           |
    | first weight | lr x first_conv_lr           | yes          |
    | first bias   | lr x first_conv_lr x bias_lr | no           |
    | head weight  | lr x head_lr                 | yes          |
    | head bias    | lr x head_lr x bias_lr       | no           |

    With the published bias_lr 2 and head_lr 5, the bias of a new head has 10 times the learning rate. For optical flow
    the first convolution is practically new, so it has its own groups, with the published first_conv_lr 5. For RGB, and
    in the published code also for differences, it has the same rates as all other layers. "norms" also contains other
    per-channel scales (ConvNeXt's layer scale).

    Args:
        model: frozen parameters are skipped.
        recipe: a resolved recipe.

    Raises:
        SpatempoError: everything is frozen.
    """
    assert recipe.lr is not None, "a resolved recipe has a learning rate"
    rates = {
        "weights": (1.0, recipe.weight_decay),
        "biases": (recipe.bias_lr, 0.0),
        "norms": (1.0, 0.0),
        "first weight": (recipe.first_conv_lr, recipe.weight_decay),
        "first bias": (recipe.first_conv_lr * recipe.bias_lr, 0.0),
        "head weight": (recipe.head_lr, recipe.weight_decay),
        "head bias": (recipe.head_lr * recipe.bias_lr, 0.0),
    }
    groups: dict[str, list[nn.Parameter]] = {name: [] for name in rates}
    head = {id(p) for p in model.head_parameters()}
    first = first_conv(model.backbone)[1] if model.preprocess.kind.new_first_conv else None
    seen: set[int] = set()
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad and id(parameter) not in seen:  # a shared parameter is updated once
                seen.add(id(parameter))
                part = "head" if id(parameter) in head else "first" if module is first else ""
                groups[_group(module, name, parameter, part)].append(parameter)
    if not seen:
        raise SpatempoError("nothing to train: all parameters of the model are frozen; unfreeze some of them")
    return [
        {"name": name, "params": groups[name], "lr": recipe.lr * factor, "weight_decay": decay}
        for name, (factor, decay) in rates.items()
        if groups[name]
    ]


def _group(module: nn.Module, name: str, parameter: nn.Parameter, part: str) -> str:
    if part:
        return f"{part} bias" if parameter.ndim <= 1 else f"{part} weight"
    if isinstance(module, _BatchNorm | nn.LayerNorm | nn.GroupNorm):
        return "norms"
    if name.endswith("bias"):
        return "biases"
    per_channel = sum(length > 1 for length in parameter.shape) <= 1
    return "norms" if per_channel and not isinstance(module, _ConvNd | nn.Linear) else "weights"


def make_optimizer(model: VideoModel, recipe: Recipe) -> torch.optim.Optimizer:
    """SGD with momentum, or AdamW with torch's betas, over :func:`parameter_groups`."""
    groups = parameter_groups(model, recipe)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.lr)  # pyright: ignore[reportArgumentType]
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum)  # pyright: ignore[reportArgumentType]


def make_scheduler(
    optimizer: torch.optim.Optimizer, recipe: Recipe, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """Scheduler that sets the rate of each group to its peak times :func:`lr_factor`, step by step."""
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: lr_factor(recipe, step, steps))


def lr_factor(recipe: Recipe, step: int, steps: int) -> float:
    """Learning rate of a step as a multiple of the peak rate.

    Args:
        recipe: its ``schedule``, ``warmup``, ``steps`` and ``gamma`` are used.
        step: optimiser step, from 0; values of `steps` or more give the rate of the last step.
        steps: optimiser steps of the whole run.
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
    return recipe.gamma ** sum(step >= round(fraction * steps) for fraction in recipe.steps)


def _half_cosine(start: float, end: float, fraction: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2
