"""Consensus functions of TSN, which combine the scores of a clip's frames into scores of the clip.

Wang et al., ECCV 2016, compare average, maximum and a weighted average. The journal version (TPAMI 2019) adds top-k
averaging and attention, and finds the average best on trimmed videos. All of them combine the logits of the frames,
before any softmax. A consensus with a running form can also process frames one by one: after the last frame of a clip
it gives the same scores.
"""

from __future__ import annotations

import re
from typing import ClassVar

import torch
from torch import Tensor, nn

from spatempo.errors import SpatempoError

NAMES = ("average", "max", "top3", "linear", "attention")
State = tuple[Tensor, ...]


class Consensus(nn.Module):
    """Maps the logits ``[B, T, K]`` and features ``[B, T, F]`` of frames to the clip's logits ``[B, K]``.

    Attributes:
        state_names: names of the state tensors of the running form; empty if there is no running form.
    """

    state_names: ClassVar[tuple[str, ...]] = ()

    def forward(self, logits: Tensor, features: Tensor) -> Tensor:
        raise NotImplementedError

    def begin(self, zeros: Tensor) -> State:
        """Creates the state before the first frame, from zeros ``[B, K]``."""
        raise NotImplementedError

    def step(self, logits: Tensor, features: Tensor, state: State) -> tuple[Tensor, State]:
        """Returns the scores so far, and the next state."""
        raise NotImplementedError


class AverageConsensus(Consensus):
    """The mean: ``g = 1/T sum_t f_t``."""

    state_names = ("sum", "count")

    def forward(self, logits: Tensor, features: Tensor) -> Tensor:
        return logits.mean(1)

    def begin(self, zeros: Tensor) -> State:
        return zeros, zeros.new_zeros(())

    def step(self, logits: Tensor, features: Tensor, state: State) -> tuple[Tensor, State]:
        total, seen = state[0] + logits.sum(1), state[1] + logits.shape[1]
        return total / seen, (total, seen)


class TopKConsensus(Consensus):
    """For each class, the mean of its k highest frames (or of all, if there are fewer); k = 1 is the maximum."""

    state_names = ("best",)  # so far, [B, k, K]

    def __init__(self, k: int) -> None:
        super().__init__()
        self.k = k

    def forward(self, logits: Tensor, features: Tensor) -> Tensor:
        return logits.topk(min(self.k, logits.shape[1]), 1).values.mean(1)

    def begin(self, zeros: Tensor) -> State:
        return (torch.full_like(zeros, -torch.inf).unsqueeze(1).repeat(1, self.k, 1),)

    def step(self, logits: Tensor, features: Tensor, state: State) -> tuple[Tensor, State]:
        best = torch.cat([state[0], logits.to(state[0].dtype)], 1).topk(self.k, 1).values
        there = best > -torch.inf
        return torch.where(there, best, 0.0).sum(1) / there.sum(1), (best,)


class LinearConsensus(Consensus):
    """A learnt weight per frame position: ``g = sum_t w_t f_t``, initialised to 1/T.

    It fixes T, and it depends on the order of the frames.
    """

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((frames, 1), 1 / frames))

    def forward(self, logits: Tensor, features: Tensor) -> Tensor:
        if logits.shape[1] != len(self.weight):
            raise SpatempoError(
                f"consensus 'linear' has a weight for each of {len(self.weight)} frames and got {logits.shape[1]}: "
                f"give clips of {len(self.weight)} frames, or create the model with frames={logits.shape[1]}"
            )
        return (self.weight * logits).sum(1)


class AttentionConsensus(Consensus):
    """A weight computed from each frame's features: ``g = sum_t a_t f_t`` with ``a = softmax over t of w . feature_t``.

    w is learnt and initialised to 0, so that the consensus starts as the average.
    """

    # one-pass softmax: the largest exponent, the sum of the weights, the weighted sum of the logits
    state_names = ("exponent", "weights", "sum")

    def __init__(self, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, features))

    def forward(self, logits: Tensor, features: Tensor) -> Tensor:
        return (self.exponents(features).softmax(1) * logits).sum(1)

    def exponents(self, features: Tensor) -> Tensor:
        """``[B, T, F] -> [B, T, 1]``."""
        return nn.functional.linear(features, self.weight)

    def begin(self, zeros: Tensor) -> State:
        zero = zeros[:, :1]
        return torch.full_like(zero, -torch.inf), zero, zeros

    def step(self, logits: Tensor, features: Tensor, state: State) -> tuple[Tensor, State]:
        exponents = self.exponents(features).to(state[0].dtype)
        top = torch.maximum(state[0], exponents.amax(1))
        past, now = (state[0] - top).exp(), (exponents - top.unsqueeze(1)).exp()
        weight = state[1] * past + now.sum(1)
        total = state[2] * past + (now * logits).sum(1)
        return total / weight, (top, weight, total)


def make_consensus(name: str, features: int, frames: int) -> Consensus:
    """Creates a consensus by name.

    Args:
        name: one of ``NAMES``, or ``topK`` with any number K.
        features: F.
        frames: T, used only by ``linear``.

    Raises:
        SpatempoError: an unknown name.
    """
    best = re.fullmatch(r"max|top([1-9]\d*)", name) if isinstance(name, str) else None
    if best is not None:
        return TopKConsensus(int(best[1] or 1))
    if name == "average":
        return AverageConsensus()
    if name == "linear":
        return LinearConsensus(frames)
    if name == "attention":
        return AttentionConsensus(features)
    raise SpatempoError(f"consensus {name!r} is not known; choose from {', '.join(NAMES)} (or top2, top4, ...)")
