"""A design with a keyword input: its head reads boxes from the forward context."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from spatempo import SpatempoError, create_model
from spatempo.models import Build, Head, Parts, register_design
from spatempo.operators import ForwardContext


class BoxHead(Head):
    """One linear layer on the temporal mean of features ``[B, T, F]`` and boxes ``[B, T, 4]``."""

    per_frame = False

    def __init__(self, context: ForwardContext, features: int, num_classes: int) -> None:
        super().__init__()
        self.context = context
        self.fc = nn.Linear(features + 4, num_classes)

    def forward(self, features: Tensor) -> Tensor:
        boxes = self.context.extras.get("boxes", features.new_zeros(*features.shape[:2], 4))
        return self.fc(torch.cat([features, boxes], 2).mean(1))


@torch.no_grad()
def test_a_keyword_input_reaches_the_head():
    @register_design("boxed", source="a test")
    def boxed(build: Build) -> Parts:
        return Parts(head=BoxHead(build.context, build.features, build.num_classes), extra_inputs=("boxes",))

    model = create_model("boxed_smallresnet", num_classes=3, size=32).eval()
    clip, boxes = torch.randn(2, 3, 4, 32, 32), torch.rand(2, 4, 4)
    expected = model(clip) + boxes.mean(1) @ model.head.fc.weight[:, -4:].T
    torch.testing.assert_close(model(clip, boxes=boxes), expected)
    torch.testing.assert_close(
        model(clip, boxes=torch.zeros_like(boxes)), model(clip)
    )  # boxes of the last call are not used again
    with pytest.raises(SpatempoError, match="has no input 'masks'; its keyword inputs: boxes"):
        model(clip, masks=boxes)
    with pytest.raises(SpatempoError, match="has no input 'boxes'; its keyword inputs: none besides the clip"):
        create_model("tsn_smallresnet")(clip, boxes=boxes)
