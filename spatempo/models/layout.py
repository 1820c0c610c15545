"""Layouts of weight files of other code: how a layout is recognised, and how its keys are converted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from spatempo.models.video_model import VideoModel
from spatempo.operators.base import TemporalOperator

Weights = Mapping[str, Tensor]
Operators = dict[str, type[TemporalOperator]]
"""Operator classes by module name in the backbone, for example ``layer1.0.conv1.temporal``."""


@dataclass(frozen=True)
class WeightLayout:
    """A layout of weight files. A design lists the layouts that its models can read; a file may match only one of them.

    Attributes:
        name: name of the code that writes such files, shown to users: ``"mit-han-lab/temporal-shift-module"``.
        matches: whether the weights have this layout.
        convert: ``(weights, model)`` to weights with the model's keys, ``backbone.*`` and ``head.*``.
        operators: the temporal operators that the keys of the weights imply; they are compared with the model's.
        check: raises a SpatempoError if the model's options do not fit; the message names the option to set.
        note: warning to show when such weights are loaded into this model, or ``None``.
        image: whether it is the layout of an image network, without temporal operators.
        statistics: mean and standard deviation of the input, if they are the same for all such weights.
    """

    name: str
    matches: Callable[[Weights], bool]
    convert: Callable[[Weights, VideoModel], dict[str, Tensor]]
    operators: Callable[[Weights], Operators | None] | None = None
    check: Callable[[Weights, VideoModel], None] | None = None
    note: Callable[[Weights, VideoModel], str | None] | None = None
    image: bool = False
    statistics: tuple[tuple[float, ...], tuple[float, ...]] | None = None
