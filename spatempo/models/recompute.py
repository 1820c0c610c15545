"""Gradient checkpointing that restores the number of frames when a block is recomputed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from spatempo.operators.context import ForwardContext


class Recomputed:
    """Replaces a block's ``forward``: stores only its input, and computes the block again during the backward pass.

    Args:
        block: the block.
        context: the forward context. It is closed during the backward pass, so its number of frames is set again.
    """

    def __init__(self, block: nn.Module, context: ForwardContext) -> None:
        self.block = block
        self.context = context

    def __call__(self, x: Tensor) -> Tensor:
        plain = partial(type(self.block).forward, self.block)
        if not torch.is_grad_enabled() or self.context.stepping:
            return plain(x)
        contexts = partial(_contexts, self.context, self.context.frames)
        return checkpoint(plain, x, use_reentrant=False, context_fn=contexts)  # pyright: ignore[reportReturnType]


def set_recomputed(blocks: Sequence[nn.Module], context: ForwardContext, enable: bool) -> None:
    """Enables or disables gradient checkpointing for blocks."""
    for block in blocks:
        if enable:
            block.forward = Recomputed(block, context)
        elif isinstance(block.__dict__.get("forward"), Recomputed):
            del block.forward


def _contexts(
    context: ForwardContext, frames: int
) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), context.replay(frames)
