"""Freezing of pretrained parameters and batch norms."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from spatempo.learning.recipe import Recipe
from spatempo.models.video_model import VideoModel


def freeze(model: VideoModel, recipe: Recipe) -> Callable[[], None]:
    """Freezes parameters as set in the recipe; returns a function to call after every ``model.train()``.

    ``recipe.freeze``: everything except the head and the parameters of operators. ``recipe.partial_bn``: all batch
    norms except the first (TSN's partial BN: the first one adapts to the statistics of the new data, the others are too
    noisy to estimate from small batches). Parameters that are not part of the image network, such as the gates of GSM
    and their batch norms, are never frozen. The published code does the same: it freezes only 2D batch norms, and
    those of the gates are 3D.

    Frozen batch norms have no gradient and stay in eval mode, so their running statistics do not change.
    """
    new = {id(parameter) for parameter in model.new_parameters()}
    if recipe.freeze:
        learn = new | {id(p) for p in model.head_parameters()}
        for parameter in model.parameters():
            parameter.requires_grad_(id(parameter) in learn)
    norms = [norm for norm in batch_norms(model) if not any(id(p) in new for p in norm.parameters())]
    frozen = norms if recipe.freeze else norms[1:] if recipe.partial_bn else []
    for norm in frozen:
        for parameter in norm.parameters():
            parameter.requires_grad_(False)

    def keep_frozen() -> None:
        for norm in frozen:
            norm.eval()

    keep_frozen()
    return keep_frozen


def batch_norms(model: nn.Module) -> list[nn.Module]:
    """Batch norms in the order of the modules, starting with the stem."""
    return [m for m in model.modules() if isinstance(m, _BatchNorm)]
