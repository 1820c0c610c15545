"""Gradient checkpointing that carries the number of frames along."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from spatempo.operators.call import TimeCall


class Recomputed:
    """Stands in for a block's ``forward``: keeps its input only, and computes the block again during backward.

    Args:
        block: the block.
        call: the call in hand, which is over when backward runs and is therefore replayed.
    """

    def __init__(self, block: nn.Module, call: TimeCall) -> None:
        self.block = block
        self.call = call

    def __call__(self, x: Tensor) -> Tensor:
        plain = partial(type(self.block).forward, self.block)
        if not torch.is_grad_enabled() or self.call.stepping:
            return plain(x)
        contexts = partial(_contexts, self.call, self.call.frames)
        return checkpoint(plain, x, use_reentrant=False, context_fn=contexts)  # pyright: ignore[reportReturnType]


def _contexts(call: TimeCall, frames: int) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), call.replay(frames)
