"""Run a classifier: eval mode, device, and one call at a time.

Only torch modules have a mode and a device. This is the only module of evaluation that tests for torch modules.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from spatempo.device import pick_device
from spatempo.errors import SpatempoError
from spatempo.evaluation.classifier import ClipClassifier

_CPU = torch.device("cpu")
_locks: dict[int, threading.RLock] = {}  # by id of the model; an entry is deleted with its model
_locks_guard = threading.Lock()


@contextmanager
def eval_mode(model: object) -> Iterator[None]:
    """Put a torch module in eval mode, then restore the mode of each submodule. Other objects are unchanged.

    Modes are restored one by one because some submodules of a model in training can be in eval mode (partial batch
    norm).
    """
    if not isinstance(model, nn.Module):
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
    """Device of a torch module's parameters; the CPU for other objects, which receive CPU tensors."""
    if isinstance(model, nn.Module):
        return next((p.device for p in model.parameters()), _CPU)
    return _CPU


def move(model: object, device: str | torch.device | None) -> None:
    """Move a torch module to `device`; None does not move it. Other objects choose their device themselves.

    Raises:
        SpatempoError: there is no such device, or a device is given for an object that is not a torch module.
    """
    if device is None:
        return
    where = pick_device(device)
    if isinstance(model, nn.Module):
        model.to(where)
    elif device != "auto" and where.type != "cpu":
        raise SpatempoError(
            f"{type(model).__name__} is not a torch module, so it cannot be moved to {where}; remove `device`"
        )


def logits_of(model: ClipClassifier, clips: Tensor) -> Tensor:
    """Call the model on clips ``[N, C, T, H, W]`` and return float32 logits ``[N, K]`` as a tensor.

    Raises:
        SpatempoError: the output of the model is not ``[N, K]``.
    """
    logits = torch.as_tensor(model(clips))
    if logits.ndim != 2 or len(logits) != len(clips):
        raise SpatempoError(
            f"{type(model).__name__} returned {list(logits.shape)} for {len(clips)} clips; "
            f"expected logits [{len(clips)}, K]"
        )
    return logits.float()


def lock_of(model: object) -> threading.RLock:
    """Lock of a model, acquired during each call of the model. All callers get the same lock for the same object."""
    with _locks_guard:
        if id(model) not in _locks:
            weakref.finalize(model, _locks.pop, id(model), None).atexit = False
            _locks[id(model)] = threading.RLock()
        return _locks[id(model)]
