"""TSN's consensus functions: compared with values computed by hand, and frame by frame with the whole clip."""

from __future__ import annotations

import math

import pytest
import torch
from networks import randomise

from spatempo.errors import SpatempoError
from spatempo.evaluation.order.grad_cam import grad_cam
from spatempo.models.checkpoint import load, save_checkpoint
from spatempo.models.consensus import AttentionConsensus, LinearConsensus, make_consensus
from spatempo.models.registry import create_model

# one clip of four frames and two classes; one feature per frame
LOGITS = torch.tensor([[[1.0, 8.0], [5.0, 0.0], [3.0, 4.0], [-1.0, 0.0]]])
FEATURES = torch.tensor([[[0.0], [0.0], [math.log(2)], [-math.inf]]])
LIVE = ("average", "max", "top3", "top9", "attention")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("average", [2, 3]),
        ("max", [5, 8]),
        ("top1", [5, 8]),
        ("top2", [4, 6]),
        ("top3", [3, 4]),
        ("top9", [2, 3]),  # only four frames: the average of all
        ("linear", [2, 3]),  # initialised as the average
        ("attention", [2, 3]),
    ],
)
def test_values_by_hand(name, expected):
    features = torch.zeros(1, 4, 1)
    assert make_consensus(name, 1, 4)(LOGITS, features)[0].tolist() == pytest.approx(expected)


def test_learnt_weights_by_hand():
    linear = LinearConsensus(4)
    linear.weight.data = torch.tensor([[1.0], [0.0], [2.0], [-1.0]])
    assert linear(LOGITS, FEATURES)[0].tolist() == [1 + 6 + 1, 8 + 8]
    attention = AttentionConsensus(1)
    attention.weight.data.fill_(1)  # weights 1/4, 1/4, 2/4, 0
    assert attention(LOGITS, FEATURES)[0].tolist() == pytest.approx([(1 + 5 + 6) / 4, (8 + 8) / 4])


def model(consensus: str, **options):
    torch.manual_seed(0)
    tsn = create_model("tsn_smallresnet", num_classes=5, size=32, frames=4, consensus=consensus, **options)
    randomise(tsn)
    for parameter in tsn.head.consensus.parameters():
        torch.nn.init.normal_(parameter)
    return tsn.eval()


@pytest.mark.parametrize("name", LIVE)
def test_frame_by_frame_equals_the_whole_clip(name):
    tsn = model(name, causal=True)
    clip = torch.randn(3, 3, 6, 32, 32) * 3
    state = tsn.init_state(3)
    for t in range(6):
        logits, state = tsn.step(clip[:, :, t : t + 1], state)
        torch.testing.assert_close(logits, tsn(clip[:, :, : t + 1]))
    assert not torch.allclose(logits, tsn.forward_frames(clip)[:, -1], atol=1e-3)


@pytest.mark.parametrize("name", [*LIVE, "linear"])
def test_only_the_linear_consensus_depends_on_the_order_of_frames(name):
    tsn = model(name)
    clip = torch.randn(2, 3, 4, 32, 32) * 3
    want = tsn(clip)
    torch.testing.assert_close(tsn.forward_head(tsn.forward_features(clip)), want)
    reversed_ = tsn(clip.flip(2))
    assert torch.allclose(reversed_, want, atol=1e-4) == (name != "linear")
    if name not in ("average", "top9"):
        assert not torch.allclose(tsn.forward_frames(clip).mean(1), want, atol=1e-3)
    assert grad_cam(tsn, clip[:1], 2).shape == (4, 32, 32)
    want.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in tsn.head.consensus.parameters())


@pytest.mark.parametrize("name", ["max", "linear", "attention"])
def test_a_checkpoint_stores_the_consensus(tmp_path, name):
    tsn = model(name)
    clip = torch.randn(1, 3, 4, 32, 32)
    loaded = load(save_checkpoint(tsn, tmp_path))
    assert torch.equal(loaded(clip), tsn(clip))
    assert loaded.options["consensus"] == name


def test_parameters_of_a_consensus_belong_to_the_head(tmp_path):
    """Weights for other classes load without them, and designs that average have no such keys."""
    tsm = create_model("tsm_smallresnet", num_classes=5)
    assert not [k for k in tsm.state_dict() if "consensus" in k]
    path = save_checkpoint(create_model("tsn_smallresnet", num_classes=9), tmp_path)
    tsn = create_model("tsn_smallresnet", num_classes=5, consensus="attention", pretrained=str(path))
    assert [k for k in tsn.state_dict() if "consensus" in k] == ["head.consensus.weight"]
    assert any(p is tsn.head.consensus.weight for p in tsn.head_parameters())


def test_invalid_settings_are_refused():
    with pytest.raises(SpatempoError, match="consensus 'mean' is not known; choose from average, max, top3"):
        model("mean")
    with pytest.raises(SpatempoError, match="'top0' is not known"):
        model("top0")
    with pytest.raises(SpatempoError, match="'linear' needs the whole clip"):
        model("linear", causal=True)
    with pytest.raises(SpatempoError, match="a weight for each of 4 frames and got 3"):
        model("linear")(torch.zeros(1, 3, 3, 32, 32))
    with pytest.raises(SpatempoError, match="no option 'consensus'"):
        create_model("tsm_smallresnet", consensus="max")


@pytest.mark.parametrize("name", ["max", "attention"])
def test_export(name):
    tsn = model(name)
    clip = torch.randn(2, 3, 4, 32, 32)
    exported = torch.export.export(tsn, (clip,)).module()
    torch.testing.assert_close(exported(clip), tsn(clip))
