"""A design like TRN: it has its own head, which scores whole clips instead of single frames."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from spatempo import SpatempoError
from spatempo.models import Build, Head, Parts, register_design


class PairRelation(Head):
    """Logits of a clip from ordered pairs of neighbouring frames, ``[B, T, F] -> [B, K]``."""

    per_frame = False

    def __init__(self, features: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.relation = nn.Sequential(nn.Linear(2 * features, 16), nn.ReLU(), nn.Dropout(dropout))
        self.classify = nn.Linear(16, num_classes)

    def forward(self, features: Tensor) -> Tensor:
        pairs = torch.cat([features[:, :-1], features[:, 1:]], 2)
        return self.classify(self.relation(pairs).mean(1))


def test_a_design_with_its_own_head(check_design):
    @register_design("pairs", source="a test")
    def pairs(build: Build) -> Parts:
        return Parts(head=PairRelation(build.features, build.num_classes, build.dropout))

    model = check_design("pairs_smallresnet")
    assert [name for name in model.state_dict() if name.startswith("head.")] == [
        f"head.{layer}.{kind}" for layer in ("relation.0", "classify") for kind in ("weight", "bias")
    ]
    assert model.reach is None
    with pytest.raises(SpatempoError, match="PairRelation scores whole clips"):
        model.forward_frames(torch.zeros(1, 3, 4, 32, 32))
    with pytest.raises(SpatempoError, match="no causal form"):
        model.init_state()
