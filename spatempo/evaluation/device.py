"""Which device a model runs on."""

from __future__ import annotations

import torch

from spatempo.errors import SpatempoError


def pick_device(device: str | torch.device) -> torch.device:
    """A device by its name, sure to work.

    Args:
        device: ``"auto"`` (a CUDA device, else Apple's, else the CPU), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.

    Raises:
        SpatempoError: no such device here, or no such name.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:  # what is missing decides which of three exceptions torch raises
        picked = torch.device(device)
        if picked.type == "meta":
            raise RuntimeError("it holds shapes, no numbers")
        torch.empty(0, device=picked)
    except (
        RuntimeError,
        AssertionError,
        NotImplementedError,
    ) as error:
        reason = str(error).splitlines()[0]
        raise SpatempoError(f"device {str(device)!r} cannot be used here ({reason}); take auto or cpu") from error
    return picked
