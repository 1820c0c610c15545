"""Which device computes: chosen by name in one place, for training, testing and latency alike.

torch is loaded when a device is chosen, not when this module is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spatempo.errors import SpatempoError

if TYPE_CHECKING:
    import torch

KINDS = ("auto", "cpu", "cuda", "mps")


def find_kind(kind: str) -> str:
    """The kind of device that a name stands for: ``"auto"`` is CUDA, else Apple's MPS, else the CPU.

    Args:
        kind: one of :data:`KINDS`.

    Raises:
        SpatempoError: this machine has no such device, or the name is not known.
    """
    import torch

    if kind not in KINDS:
        raise SpatempoError(f"device {kind!r} is not known; choose from {', '.join(KINDS)}, cuda:0, cuda:1, ...")
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if kind == "auto":
        return "cuda" if cuda else "mps" if mps else "cpu"
    if (kind == "cuda" and not cuda) or (kind == "mps" and not mps):
        raise SpatempoError(f"device {kind!r} is not available here (`spatempo doctor` says why); choose cpu or auto")
    return kind


def pick_device(device: str | torch.device) -> torch.device:
    """The device of that name, which is checked to work.

    Args:
        device: ``"auto"`` (see :func:`find_kind`), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``, or another device
            that torch knows.

    Raises:
        SpatempoError: this machine has no such device, or the name is not known.
    """
    import torch

    if device == "auto":
        return torch.device(find_kind("auto"))
    try:  # which of the three exceptions torch raises depends on what is missing
        picked = torch.device(device)
        if picked.type == "meta":
            raise RuntimeError("it has shapes, no numbers")
        torch.empty(0, device=picked)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise SpatempoError(f"device {str(device)!r} cannot be used here ({reason}); take auto or cpu") from error
    return picked
