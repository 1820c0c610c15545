"""Behaviour that all video models share, on many backbone families."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from networks import assert_close, clips, frames_seen, small

from spatempo.errors import SpatempoError
from spatempo.models.registry import create_model

# one small member of each family; the site, and the name of the first convolution, depend on the family
FAMILIES = [
    "smallresnet",
    "resnet18",
    "regnet_x_400mf",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "efficientnet_b0",
    "mnasnet0_5",
    "convnext_tiny",
    "timm/test_resnet",
    "timm/regnety_002",
    "timm/regnetz_005",
    "timm/mobilenetv2_050",
    "timm/tf_efficientnet_b0",
    "timm/convnextv2_atto",
    "timm/resnest14d",
    "timm/resnetv2_18",
    "timm/rexnet_100",
    "timm/edgenext_xx_small",
    "timm/mobilenetv4_conv_small",
    "timm/fbnetc_100",
]


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_order_matters_and_frame_by_frame_equals_the_whole_clip(family):
    model = small("tsm", backbone=family, size=64, causal=True)
    both_ways = create_model("tsm", backbone=family, num_classes=3).eval()
    both_ways.load_state_dict(model.state_dict())  # the operators have no parameters
    clip = clips(size=64)
    want = model(clip)
    for net in (model, both_ways):
        scale = net(clip).abs().max()
        assert (net(clip.flip(2)) - net(clip)).abs().max() > 0.02 * scale, (
            "order has no effect, so the rest proves nothing"
        )
    assert (both_ways(clip) - want).abs().max() > 0.02 * want.abs().max()
    state = model.init_state(2, 64)
    for t in range(clip.shape[2]):
        logits, state = model.step(clip[:, :, t : t + 1], state)
    assert_close(logits, want)


@pytest.mark.parametrize("frames", [1, 2, 5, 8])
@pytest.mark.parametrize("causal", [False, True])
@torch.no_grad()
def test_any_number_of_frames_and_independent_clips(frames, causal):
    model = small("tsm_smallresnet", causal=causal)
    batch = clips(frames, batch=3)
    out = model(batch)
    assert out.shape == (3, 3)
    for i in range(3):
        assert_close(model(batch[i : i + 1]), out[i : i + 1])
    assert model.forward_frames(batch).shape == (3, frames, 3)
    assert_close(model.forward_frames(batch).mean(1), out)
    assert model.forward_features(batch).shape == (3, 128, frames, 4, 4)


@pytest.mark.parametrize("causal", [False, True])
def test_the_temporal_receptive_field_by_gradient(causal):
    """Five shifts reach five frames in each direction; a causal model does not use future frames."""
    model = small("tsm_smallresnet", causal=causal)
    assert model.reach == ((5, 0) if causal else (5, 5))
    assert frames_seen(model, 15, at=7) == list(range(2, 8 if causal else 13))


@torch.no_grad()
def test_a_shift_of_no_channels_is_the_image_network():
    tsm = small("tsm_smallresnet", shift_div=1024)
    tsn = create_model("tsn_smallresnet", num_classes=3).eval()
    tsn.load_state_dict(tsm.state_dict())
    assert torch.equal(tsm(clips()), tsn(clips()))


@torch.no_grad()
def test_in_place_and_residual_placement_differ_by_the_shortcut():
    residual = small("tsm_smallresnet")
    inplace = create_model("tsm_smallresnet", num_classes=3, placement="inplace").eval()
    inplace.load_state_dict(residual.state_dict())
    clip = clips()
    assert (residual(clip) - inplace(clip)).abs().max() > 1e-3
    # one block by hand: the shortcut has shifted frames too
    block, shift = inplace.backbone.layer1[0], inplace.backbone.layer1[0].temporal_in
    x = torch.randn(8, 32, 6, 6)
    inplace.context.open(4)
    try:
        got = block(x)
        moved = shift(x)
    finally:
        inplace.context.close()
    branch = block.bn2(block.conv2(torch.relu(block.bn1(block.conv1(moved)))))
    assert_close(got, torch.relu(branch + moved))


def test_gradient_checkpointing_restores_the_number_of_frames():
    model = small("tsm_smallresnet")
    clip = clips()

    def gradients() -> list[torch.Tensor]:
        model.zero_grad()
        loss = model(clip).square().sum()
        with torch.no_grad():
            model(clips(5))  # another number of frames between the forward and backward passes
        loss.backward()
        return [p.grad.clone() for p in model.parameters() if p.grad is not None]

    plain = gradients()
    model.set_grad_checkpointing()
    for a, b in zip(gradients(), plain, strict=True):
        assert_close(a, b)
    model.set_grad_checkpointing(False)
    assert "forward" not in model.backbone.layer1[0].__dict__


@torch.no_grad()
def test_copy_and_pickle():
    model = small("tsm_smallresnet", placement="inplace")
    clip = clips()
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(copied(clip), model(clip))
        copied.context.open(3)  # the copy has its own forward context
        model(clip)
        assert {id(m.context) for m in copied.modules() if hasattr(m, "context")} == {id(copied.context)}


@torch.no_grad()
def test_export_of_inverted_residuals():
    model = small("tsm_mobilenet_v2")
    batch = torch.export.Dim("batch", min=1, max=16)
    program = torch.export.export(model, (clips(),), dynamic_shapes={"clip": {0: batch}})
    assert_close(program.module()(clips(batch=3)), model(clips(batch=3)))


def test_an_error_in_a_call_does_not_lock_the_model():
    model = create_model("tsm_smallresnet", num_classes=3)
    hook = model.backbone.register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model(clips())
    hook.remove()
    model(clips())


def test_invalid_calls_are_refused():
    model = create_model("tsm_smallresnet", num_classes=3)
    with pytest.raises(SpatempoError, match=r"\[B, 3, T, H, W\]"):
        model(torch.zeros(3, 4, 32, 32))
    with pytest.raises(SpatempoError, match="causal=True"):
        model.init_state()
    causal = create_model("tsm_smallresnet", num_classes=3, causal=True)
    with pytest.raises(SpatempoError, match=r"step\(\) takes one frame of each stream, \[B, 3, 1, H, W\], got 2"):
        causal.step(torch.zeros(1, 3, 2, 32, 32), causal.init_state(1, 32))


def test_state_has_the_shapes_of_the_shifted_folds():
    state = create_model("tsm_smallresnet", num_classes=7, causal=True).init_state(2, (64, 32))
    assert [tuple(s.shape) for s in state] == [
        (2, 4, 32, 16),  # input of layer1: 32 channels / 8 at half size
        (2, 4, 32, 16),
        (2, 8, 16, 8),
        (2, 8, 16, 8),
        (2, 16, 8, 4),
        (2, 7),
        (),
    ]
