"""Run a classifier: eval mode, device, one call at a time, and logits as numpy arrays.

Only torch modules have a mode and a device. This is the only module of evaluation that tests for torch modules. It does
not import torch itself, so exported models are evaluated without it. A model cannot be a torch module while torch is
not loaded.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from spatempo.device import pick_device
from spatempo.errors import SpatempoError
from spatempo.evaluation.arrays import to_array
from spatempo.evaluation.classifier import ClipClassifier

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

_locks: dict[int, threading.RLock] = {}  # by id of the model; an entry is deleted with its model
_locks_guard = threading.Lock()


def is_torch_module(model: object) -> TypeGuard[nn.Module]:
    """Whether a model is a torch module."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def is_tensor(value: object) -> TypeGuard[Tensor]:
    """Whether a value is a torch tensor."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


@contextmanager
def inference(model: object) -> Iterator[None]:
    """:func:`eval_mode`, and torch's inference mode if torch is loaded."""
    torch = sys.modules.get("torch")
    with eval_mode(model), nullcontext() if torch is None else torch.inference_mode():
        yield


@contextmanager
def eval_mode(model: object) -> Iterator[None]:
    """Put a torch module in eval mode, then restore the mode of each submodule. Other objects are unchanged.

    Modes are restored one by one because some submodules of a model in training can be in eval mode (partial batch
    norm).
    """
    if not is_torch_module(model):
        yield
        return
    training = [m for m in model.modules() if m.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def device_of(model: object) -> torch.device:
    """Device of a torch module's parameters; the CPU for other objects."""
    import torch

    cpu = torch.device("cpu")
    return next((p.device for p in model.parameters()), cpu) if is_torch_module(model) else cpu


def move(model: object, device: str | torch.device | None) -> None:
    """Move a torch module to `device`; None does not move it. Other objects choose their device themselves.

    Raises:
        SpatempoError: there is no such device, or a device is given for an object that is not a torch module.
    """
    if device is None:
        return
    if is_torch_module(model):
        model.to(pick_device(device))
    elif str(device) not in ("auto", "cpu"):
        raise SpatempoError(
            f"{type(model).__name__} is not a torch module, so it cannot be moved to {device}; remove `device`"
        )


def logits_of(model: ClipClassifier, clips: Tensor | np.ndarray) -> np.ndarray:
    """Call the model on clips ``[N, C, T, H, W]`` and return float32 logits ``[N, K]``.

    A torch module is called with a tensor on its device, any other object with a float32 array.

    Raises:
        SpatempoError: the output of the model is not ``[N, K]``.
    """
    if is_torch_module(model):
        from spatempo.inputs.tensors import as_tensor

        tensor = as_tensor(clips) if isinstance(clips, np.ndarray) else clips
        logits = to_array(model(tensor.to(device_of(model), non_blocking=True)))
    else:
        logits = to_array(model(to_array(clips)))
    if logits.ndim != 2 or len(logits) != len(clips):
        raise SpatempoError(
            f"{type(model).__name__} returned {list(logits.shape)} for {len(clips)} clips; "
            f"expected logits [{len(clips)}, K]"
        )
    return logits


def lock_of(model: object) -> threading.RLock:
    """Lock of a model, acquired during each call of the model. All callers get the same lock for the same object."""
    with _locks_guard:
        if id(model) not in _locks:
            weakref.finalize(model, _locks.pop, id(model), None).atexit = False
            _locks[id(model)] = threading.RLock()
        return _locks[id(model)]
