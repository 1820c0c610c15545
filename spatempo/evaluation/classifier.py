"""What can be evaluated: anything that says how its input is made and maps clips to scores.

A :class:`~spatempo.models.video_model.VideoModel` is one; so is any other object with the same three members, such as
a session of an exported model. Evaluation asks for nothing else, so it serves both.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from spatempo.errors import SpatempoError
from spatempo.inputs.spec import Preprocess


class ClipClassifier(Protocol):
    """Maps clips to scores of classes.

    A torch module is put in eval mode while it is evaluated, and clips are moved to its device. Any other object gets
    its clips as CPU tensors and may return a numpy array.
    """

    @property
    def preprocess(self) -> Preprocess:
        """Input specification."""
        ...

    @property
    def classes(self) -> Sequence[str] | None:
        """Class names in the order of the scores; None: not known."""
        ...

    def __call__(self, clip: Tensor, /) -> Tensor | np.ndarray:
        """Logits ``[B, K]`` of float clips ``[B, C, T, H, W]``, normalised."""
        ...


def check_classifier(model: object) -> Preprocess:
    """The input specification of a :class:`ClipClassifier`.

    Raises:
        SpatempoError: `model` is a path, or lacks one of the three members; the message names it.
    """
    if isinstance(model, str | os.PathLike):
        raise SpatempoError(f"{os.fspath(model)!r} is a path, not a model: load it first, spatempo.load(path)")
    kind = type(model).__name__
    preprocess = input_of(model)
    if preprocess is None:
        raise SpatempoError(f"{kind} has no input specification: set model.preprocess = Preprocess(...)")
    if not hasattr(model, "classes"):
        raise SpatempoError(f"{kind} has no class names: set model.classes to a list of them, or to None")
    if not callable(model):
        raise SpatempoError(f"{kind} cannot be called: give it __call__(clip [B, C, T, H, W]) -> logits [B, K]")
    return preprocess


def input_of(model: object) -> Preprocess | None:
    """The input specification of a model; None where it has none."""
    found = getattr(model, "preprocess", None)
    return found if isinstance(found, Preprocess) else None


def class_names(model: ClipClassifier, count: int) -> Sequence[str]:
    """Names of the `count` classes; ``"0"``, ``"1"``, ... where the model does not know them."""
    return model.classes or [str(k) for k in range(count)]


def training_seconds(model: Any) -> float | None:
    """Length of the videos that the model was trained on, where it knows it (``clip_seconds``)."""
    return getattr(model, "clip_seconds", None)
