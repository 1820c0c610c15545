"""An exponential moving average of a model's weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class Ema:
    """``average <- d x average + (1 - d) x weights`` after each optimiser step, also for batch-norm statistics.

    ``d = min(decay, (1 + step) / (10 + step))``, the warm-up of TensorFlow's ExponentialMovingAverage. Without it, the
    average of a short run would contain much of the random initial weights.

    Lightning's own callback is not used: it stores the average in Lightning checkpoints, which this library does not
    write, and it has no warm-up.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.average: dict[str, Tensor] = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Adds the weights after an optimiser step to the average."""
        weight = 1 - min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        floats: tuple[list[Tensor], list[Tensor]] = ([], [])
        for name, now in model.state_dict().items():
            if now.is_floating_point():
                floats[0].append(self.average[name])
                floats[1].append(now)
            else:  # counters, such as a batch norm's num_batches_tracked
                self.average[name].copy_(now)
        torch._foreach_lerp_(*floats, weight)  # pyright: ignore[reportPrivateImportUsage]  (one call for all tensors)

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Context in which the model has the averaged weights. Its own weights are restored, also after an error."""
        own = {k: v.detach().clone() for k, v in model.state_dict().items()}
        _load_values(model, self.average)
        try:
            yield
        finally:
            _load_values(model, own)

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "average": self.average}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps = state["steps"]
        for name, value in state["average"].items():
            self.average[name].copy_(value)


@torch.no_grad()
def _load_values(model: nn.Module, values: dict[str, Tensor]) -> None:
    for name, tensor in model.state_dict().items():
        tensor.copy_(values[name])
