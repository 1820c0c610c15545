"""What of a network stays as the image weights have it."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from spatempo.learning.recipe import Recipe
from spatempo.models.video_model import VideoModel


def freeze(model: VideoModel, recipe: Recipe) -> Callable[[], None]:
    """Freezes what the recipe says, and returns what must be called after every ``model.train()``.

    ``recipe.freeze``: all but the head and what operators bring along. ``recipe.partial_bn``: all batch norms but the
    first (TSN's partial BN: the first one meets the new data's own statistics, the others are too noisy to re-estimate
    from small batches). What is new to the image network, such as a GSM's gates and their batch norms, must learn and
    is frozen by neither (nor is it by the published code, which freezes 2D batch norms where its own are 3D).

    Frozen batch norms take no part in training: no gradient, and eval mode, so their running statistics stay.
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
    """In the order of the modules, the stem's first."""
    return [m for m in model.modules() if isinstance(m, _BatchNorm)]
