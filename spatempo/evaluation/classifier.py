"""The interface that evaluation requires: an object with an input specification that maps clips to scores.

A :class:`~spatempo.models.video_model.VideoModel` has this interface. Any other object with the same three members can
also be evaluated, for example an exported model (:func:`spatempo.load_engine`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from spatempo.errors import SpatempoError
from spatempo.inputs.spec import Preprocess

if TYPE_CHECKING:
    from torch import Tensor


class ClipClassifier(Protocol):
    """Maps clips to scores of classes.

    A torch module is in eval mode during evaluation, and receives clips as tensors on its device. Any other object
    receives clips as float32 numpy arrays and may return an array or a tensor.
    """

    @property
    def preprocess(self) -> Preprocess:
        """Input specification."""
        ...

    @property
    def classes(self) -> Sequence[str] | None:
        """Class names in the order of the scores; None if unknown."""
        ...

    def __call__(self, clip: Any, /) -> Tensor | np.ndarray:
        """Logits ``[B, K]`` of normalised float clips ``[B, C, T, H, W]``."""
        ...


def check_classifier(model: object) -> Preprocess:
    """Check that `model` is a :class:`ClipClassifier` and return its input specification.

    Raises:
        SpatempoError: `model` is a path, or one of the three members is missing. The message names the member.
    """
    if isinstance(model, str | os.PathLike):
        raise SpatempoError(f"{os.fspath(model)!r} is a path, not a model: load it first, spatempo.load(path)")
    kind = type(model).__name__
    preprocess = preprocess_of(model)
    if preprocess is None:
        raise SpatempoError(f"{kind} has no input specification: set model.preprocess = Preprocess(...)")
    if not hasattr(model, "classes"):
        raise SpatempoError(f"{kind} has no class names: set model.classes to a list of names, or to None")
    if not callable(model):
        raise SpatempoError(f"{kind} cannot be called: give it __call__(clip [B, C, T, H, W]) -> logits [B, K]")
    return preprocess


def preprocess_of(model: object) -> Preprocess | None:
    """Input specification of a model, or None if it has none."""
    found = getattr(model, "preprocess", None)
    return found if isinstance(found, Preprocess) else None


def class_names(model: ClipClassifier, count: int) -> Sequence[str]:
    """Names of the `count` classes; ``"0"``, ``"1"``, ... if the model has no class names."""
    return model.classes or [str(k) for k in range(count)]


def training_seconds(model: Any) -> float | None:
    """Length in seconds of the videos that the model was trained on (``clip_seconds``); None if unknown."""
    return getattr(model, "clip_seconds", None)
