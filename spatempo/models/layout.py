"""Layouts of other code's weight files: how one is known, how its keys become ours, and what must be said about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from spatempo.models.video_model import VideoModel
from spatempo.operators.base import TemporalOperator

Weights = Mapping[str, Tensor]
Operators = dict[str, type[TemporalOperator]]
"""Operators by their module's name in a backbone of ours, for example ``layer1.0.conv1.temporal``."""


@dataclass(frozen=True)
class WeightLayout:
    """One layout. A design lists those that its models read; a file must match one of them only.

    Attributes:
        name: of the code that writes it, for the user: ``"mit-han-lab/temporal-shift-module"``.
        matches: whether these are the weights of such a file.
        convert: ``(weights, model)`` to the model's own keys, ``backbone.*`` and ``head.*``.
        operators: the temporal operators that such weights are for, where their keys tell; compared with the model's.
        check: raises a SpatempoError where the model is known to be of another form; names the option that fits.
        note: what to say to the user about such weights in this model.
        image: whether it is an image network's, without anything about time.
        statistics: mean and standard deviation of the input that all such weights expect, if it is always the same.
    """

    name: str
    matches: Callable[[Weights], bool]
    convert: Callable[[Weights, VideoModel], dict[str, Tensor]]
    operators: Callable[[Weights], Operators | None] | None = None
    check: Callable[[Weights, VideoModel], None] | None = None
    note: Callable[[Weights, VideoModel], str | None] | None = None
    image: bool = False
    statistics: tuple[tuple[float, ...], tuple[float, ...]] | None = None
