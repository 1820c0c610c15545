"""Heads, which map the features of a clip's frames to the clip's logits.

:class:`Head` is the interface. :class:`LinearHead` is the default: dropout and a linear layer per frame, then a
consensus of the frames' logits (:mod:`spatempo.models.consensus`).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from spatempo.errors import OptionError, SpatempoError
from spatempo.models.consensus import AverageConsensus, Consensus
from spatempo.operators.context import State


class Head(nn.Module):
    """Features ``[B, T, F]`` to logits ``[B, K]``.

    A subclass implements :meth:`forward`. It also implements :meth:`frame_logits`, or sets ``per_frame = False`` if
    single frames have no score. A head with a running form implements :attr:`state_names`, :meth:`init_state` and
    :meth:`step`.

    Attributes:
        per_frame: whether single frames have logits; ``False`` if only whole clips have.
        state_names: names of the state tensors of the running form; empty if there is no running form.
    """

    per_frame: ClassVar[bool] = True

    @property
    def state_names(self) -> tuple[str, ...]:
        return ()

    def forward(self, features: Tensor) -> Tensor:
        """``[B, T, F] -> [B, K]``."""
        raise NotImplementedError

    def frame_logits(self, features: Tensor) -> Tensor:
        """Logits of every frame, ``[B, T, F] -> [B, T, K]``.

        Raises:
            SpatempoError: this head scores whole clips only.
        """
        raise SpatempoError(f"{type(self).__name__} scores whole clips: single frames have no logits")

    def init_state(self, batch_size: int, dtype: torch.dtype, device: torch.device | str) -> State:
        """Creates the state before the first frame."""
        raise SpatempoError(f"{type(self).__name__} has no running form, so the model cannot run frame by frame")

    def step(self, features: Tensor, state: State) -> tuple[Tensor, State]:
        """Processes features of the next frames, ``[B, T, F]``; returns logits so far, ``[B, K]``, and next state."""
        raise SpatempoError(f"{type(self).__name__} has no running form, so the model cannot run frame by frame")


class LinearHead(Head):
    """Dropout and a linear layer on the features of each frame, then a consensus of the frames.

    Weights are initialised from N(0, 0.001) and the bias to zero, as published for TSN and TSM.

    Args:
        features: F.
        num_classes: K.
        dropout: dropout probability before the linear layer.
        consensus: consensus of the frames' logits; the average by default.
        pool: ``"logits"``: the clip's logits are the consensus of its frames' logits. ``"features"``: features are
            averaged over time before the linear layer, so that dropout is applied once per clip (3D networks). In eval
            mode both averages give the same result.
    """

    def __init__(
        self,
        features: int,
        num_classes: int,
        dropout: float = 0.5,
        *,
        consensus: Consensus | None = None,
        pool: str = "logits",
    ) -> None:
        super().__init__()
        if pool not in ("logits", "features"):
            raise OptionError(f"pool must be 'logits' or 'features', got {pool!r}")
        self.dropout = nn.Dropout(dropout)
        self.num_classes = num_classes
        self.pool = pool
        self.fc = nn.Linear(features, num_classes)
        self.consensus = consensus or AverageConsensus()
        nn.init.normal_(self.fc.weight, std=0.001)
        nn.init.zeros_(self.fc.bias)

    @property
    def state_names(self) -> tuple[str, ...]:
        return self.consensus.state_names

    def forward(self, features: Tensor) -> Tensor:
        if self.pool == "features":
            return self._classify(features.mean(1))
        return self.consensus(self.frame_logits(features), features)

    def frame_logits(self, features: Tensor) -> Tensor:
        return self._classify(features.flatten(0, 1)).unflatten(0, (features.shape[0], -1))

    def init_state(self, batch_size: int, dtype: torch.dtype, device: torch.device | str) -> State:
        dtype = torch.promote_types(dtype, torch.float32)  # a bfloat16 sum would lose frames after the 256th
        return self.consensus.begin(torch.zeros(batch_size, self.num_classes, dtype=dtype, device=device))

    def step(self, features: Tensor, state: State) -> tuple[Tensor, State]:
        logits = self.frame_logits(features)
        scores, state = self.consensus.step(logits, features, state)
        return scores.to(logits.dtype), state

    def _classify(self, features: Tensor) -> Tensor:
        return self.fc(self.dropout(features))
