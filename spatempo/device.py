"""Selection of the device by name, for training, testing and latency measurements.

torch is imported when a device is selected, not when this module is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spatempo.errors import SpatempoError

if TYPE_CHECKING:
    import torch

KINDS = ("auto", "cpu", "cuda", "mps")


def find_kind(kind: str) -> str:
    """Kind of device for a name: ``"auto"`` is CUDA if available, else Apple's MPS, else the CPU.

    Args:
        kind: one of :data:`KINDS`.

    Raises:
        SpatempoError: the device is not available on this machine, or the name is unknown.
    """
    import torch

    if kind not in KINDS:
        raise SpatempoError(f"device {kind!r} is not known; choose from {', '.join(KINDS)}, cuda:0, cuda:1, ...")
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if kind == "auto":
        return "cuda" if cuda else "mps" if mps else "cpu"
    if (kind == "cuda" and not cuda) or (kind == "mps" and not mps):
        raise SpatempoError(f"device {kind!r} is not available (see `spatempo doctor`); choose cpu or auto")
    return kind


def pick_device(device: str | torch.device) -> torch.device:
    """Returns the device of this name after checking that it works.

    Args:
        device: ``"auto"`` (see :func:`find_kind`), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``, or another device
            supported by torch.

    Raises:
        SpatempoError: the device is not available on this machine, or the name is unknown.
    """
    import torch

    if device == "auto":
        return torch.device(find_kind("auto"))
    try:  # which of the three exceptions torch raises depends on what is missing
        picked = torch.device(device)
        if picked.type == "meta":
            raise RuntimeError("meta tensors have no values")
        torch.empty(0, device=picked)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise SpatempoError(f"device {str(device)!r} cannot be used ({reason}); choose auto or cpu") from error
    return picked
