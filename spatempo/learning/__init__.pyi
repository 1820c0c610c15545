from .recipe import Recipe, differences
from .recipes import RECIPES, resolve
from .train import TrainResult

__all__ = [
    "RECIPES",
    "Recipe",
    "TrainResult",
    "differences",
    "resolve",
]
