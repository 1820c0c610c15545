"""The head: dropout per frame or per clip, and auxiliary losses."""

from __future__ import annotations

import pytest
import torch
from networks import build_on, clips, small
from torch import Tensor

from spatempo.errors import OptionError
from spatempo.learning.learner import Learner
from spatempo.learning.recipe import Recipe
from spatempo.models.consensus import make_consensus
from spatempo.models.head import LinearHead
from spatempo.models.seams import plug_at_conv
from spatempo.operators.base import Reach, TemporalOperator


@pytest.mark.parametrize(("pool", "patterns"), [("features", 1), ("logits", 4)])
def test_dropout_per_clip_or_per_frame(pool: str, patterns: int):
    """With one feature, a weight of 1 and dropout 0.5, the score of a clip of ones is 2 x (kept / all)."""
    head = LinearHead(1, 1, 0.5, pool=pool).train()
    torch.nn.init.ones_(head.fc.weight)
    torch.manual_seed(0)
    scores = {round(float(head(torch.ones(1, 4, 1))), 4) for _ in range(200)}
    assert scores == {2 * kept / patterns for kept in range(patterns + 1)}


@torch.no_grad()
def test_both_pools_give_the_same_logits_in_eval_mode():
    one, other = LinearHead(5, 3, pool="logits").eval(), LinearHead(5, 3, pool="features").eval()
    other.load_state_dict(one.state_dict())
    features = torch.randn(2, 4, 5)
    torch.testing.assert_close(one(features), other(features))
    torch.testing.assert_close(one(features), one.frame_logits(features).mean(1))
    with pytest.raises(OptionError, match="pool must be"):
        LinearHead(5, 3, pool="both")


@pytest.mark.parametrize("consensus", ["average", "max", "top3", "attention"])
def test_every_state_tensor_has_a_name(consensus: str):
    head = LinearHead(5, 3, consensus=make_consensus(consensus, 5, 4))
    state = head.init_state(2, torch.float32, "cpu")
    assert len(state) == len(head.state_names) == len(set(head.state_names))
    # a bfloat16 sum would lose frames after the 256th
    assert all(tensor.dtype == torch.float32 for tensor in head.init_state(2, torch.bfloat16, "cpu"))


class Sparse(TemporalOperator):
    """Returns its input, and adds the mean of its absolute values to the losses."""

    @property
    def reach(self) -> Reach:
        return Reach(0, 0)

    def mix(self, clip: Tensor) -> Tensor:
        self.context.add_loss("sparsity", clip.abs().mean())
        return clip


def test_auxiliary_losses_are_summed_and_counted_once_with_gradient_checkpointing():
    model = small("tsn_smallresnet").train()
    build = build_on(model.backbone)
    for name in ("layer2.0.conv2", "layer3.0.conv2"):
        plug_at_conv(build, name, Sparse(model.context))
    plain = model(clips()).sum() + model.auxiliary_losses()["sparsity"]
    assert model.auxiliary_losses()["sparsity"] > 0
    plain.backward()
    want = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    model.set_grad_checkpointing()
    again = model(clips()).sum() + model.auxiliary_losses()["sparsity"]
    torch.testing.assert_close(again, plain)
    again.backward()
    torch.testing.assert_close(model.auxiliary_losses()["sparsity"].detach(), (again - model(clips()).sum()).detach())
    for got, expected in zip((p.grad for p in model.parameters() if p.grad is not None), want, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_training_adds_auxiliary_losses():
    model = small("tsn_smallresnet")
    learner = Learner(model, Recipe(lr=0.1), 1, lambda rank: None, lambda errors: None)
    batch = {"clip": clips(), "label": torch.tensor([0, 1]), "errors": []}
    plain = learner.training_step(batch, 0)
    model.backbone.layer2[0].bn1.register_forward_hook(
        lambda module, inputs, out: model.context.add_loss("constant", torch.tensor(3.0))
    )
    torch.testing.assert_close(learner.training_step(batch, 0), plain + 3)
