"""Heads: from the features of a clip's frames to the clip's logits.

:class:`Head` is what a video model asks of a head, whichever it is. :class:`LinearHead` is the usual one: dropout and a
linear layer per frame, then a consensus of the frames' logits (:mod:`spatempo.models.consensus`).
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

    A subclass writes :meth:`forward`; :meth:`frame_logits` where a single frame has a score, else it sets
    ``per_frame = False``; and :meth:`init_state` and :meth:`step` where it has a running form, which ``state_names``
    then tells.

    Attributes:
        per_frame: whether single frames have logits. ``False``: the score belongs to the clip alone.
        state_names: names of the tensors of the running form; empty where there is none.
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
            SpatempoError: the score of this head belongs to the clip alone.
        """
        raise SpatempoError(f"{type(self).__name__} scores whole clips: single frames have no logits")

    def init_state(self, batch_size: int, dtype: torch.dtype, device: torch.device | str) -> State:
        """The state before the first frame."""
        raise SpatempoError(f"{type(self).__name__} has no running form, so the model cannot go frame by frame")

    def step(self, features: Tensor, state: State) -> tuple[Tensor, State]:
        """The logits so far, ``[B, K]``, after the next frames' features ``[B, T, F]``, and the next state."""
        raise SpatempoError(f"{type(self).__name__} has no running form, so the model cannot go frame by frame")


class LinearHead(Head):
    """Dropout and a linear layer on each frame's feature, then a consensus of the frames.

    The weights start at N(0, 0.001), the bias at zero, as published for TSN and TSM.

    Args:
        features: F.
        num_classes: K.
        dropout: before the linear layer.
        consensus: of the frames' logits; the average by default.
        pool: ``"logits"``: the consensus of the frames' logits is the clip's; ``"features"``: the features are averaged
            over time first, so that dropout acts once per clip (3D networks). In eval mode both averages are the same.
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
        wide = torch.promote_types(dtype, torch.float32)  # a bfloat16 sum would lose frames after the 256th
        return self.consensus.begin(torch.zeros(batch_size, self.num_classes, dtype=wide, device=device))

    def step(self, features: Tensor, state: State) -> tuple[Tensor, State]:
        logits = self.frame_logits(features)
        scores, state = self.consensus.step(logits, features, state)
        return scores.to(logits.dtype), state

    def _classify(self, features: Tensor) -> Tensor:
        return self.fc(self.dropout(features))
