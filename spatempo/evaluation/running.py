"""How a classifier is run: eval mode, device, one call at a time. Torch modules need this care, other objects do not.

The only place in evaluation that asks whether a classifier is a torch module.
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
_locks: dict[int, threading.RLock] = {}  # by id of the model; an entry goes when its model does
_locks_guard = threading.Lock()


@contextmanager
def eval_mode(model: object) -> Iterator[None]:
    """Puts every module of a torch module in eval mode, and gives each its own mode back; nothing for other objects.

    Each its own, because with partial batch norm a model in training has members that are not.
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
    """Device of a torch module's parameters; the CPU for other objects, which get their clips there."""
    if isinstance(model, nn.Module):
        return next((p.device for p in model.parameters()), _CPU)
    return _CPU


def move(model: object, device: str | torch.device | None) -> None:
    """Moves a torch module; None leaves it where it is. Other objects choose their device themselves.

    Raises:
        SpatempoError: no such device; or one is named for an object that is not a torch module.
    """
    if device is None:
        return
    where = pick_device(device)
    if isinstance(model, nn.Module):
        model.to(where)
    elif device != "auto" and where.type != "cpu":
        raise SpatempoError(
            f"{type(model).__name__} is no torch module, so it cannot be moved to {where}; leave out `device`"
        )


def logits_of(model: ClipClassifier, clips: Tensor) -> Tensor:
    """Calls the model: clips ``[N, C, T, H, W]`` to float32 logits ``[N, K]``, also where it returns a numpy array.

    Raises:
        SpatempoError: the model returned anything but ``[N, K]``.
    """
    logits = torch.as_tensor(model(clips))
    if logits.ndim != 2 or len(logits) != len(clips):
        raise SpatempoError(
            f"{type(model).__name__} gave {list(logits.shape)} for {len(clips)} clips; "
            f"expected logits [{len(clips)}, K]"
        )
    return logits.float()


def lock_of(model: object) -> threading.RLock:
    """The lock of a model: the same one for all who ask for this object, held during a call of it."""
    with _locks_guard:
        if id(model) not in _locks:
            weakref.finalize(model, _locks.pop, id(model), None).atexit = False
            _locks[id(model)] = threading.RLock()
        return _locks[id(model)]
