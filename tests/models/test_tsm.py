"""TSM's options in whole networks, compared with a reimplementation of the released code."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from networks import assert_close, clips, frames_seen, small
from torch import Tensor, nn

from spatempo.errors import SpatempoError
from spatempo.models.registry import create_model
from spatempo.models.video_model import VideoModel
from spatempo.operators.non_local import NonLocal
from spatempo.operators.temporal_pool import TemporalPool

# --- reimplementation of the released code: slices are assigned, pooling is 3D ---------------------------------------


def shifted(x: Tensor, frames: int, div: int) -> Tensor:
    x = x.view(-1, frames, *x.shape[1:])
    fold = x.shape[2] // div
    out = torch.zeros_like(x)
    out[:, :-1, :fold] = x[:, 1:, :fold]
    out[:, 1:, fold : 2 * fold] = x[:, :-1, fold : 2 * fold]
    out[:, :, 2 * fold :] = x[:, :, 2 * fold :]
    return out.flatten(0, 1)


def released(tsn: VideoModel, clip: Tensor, *, div=8, every=1, inplace=False, pool=False, attend=None) -> Tensor:
    """Logits per frame of a TSM with the weights of ``tsn``; ``attend(x, frames, name)`` is called after each block."""
    net, frames = tsn.backbone, clip.shape[2]
    x = torch.relu(net.bn1(net.conv1(clip.transpose(1, 2).flatten(0, 1))))
    for stage in ("layer1", "layer2", "layer3"):
        if pool and stage == "layer2":
            x = x.unflatten(0, (-1, frames)).transpose(1, 2)
            x = F.max_pool3d(x, (3, 1, 1), stride=(2, 1, 1), padding=(1, 0, 0)).transpose(1, 2)
            frames = x.shape[1]
            x = x.flatten(0, 1)
        for i, block in enumerate(net.get_submodule(stage).children()):
            moved = shifted(x, frames, div) if i % every == 0 else x
            x = moved if inplace else x
            shortcut = x if block.downsample is None else block.downsample(x)
            branch = torch.relu(block.bn1(block.conv1(moved)))
            x = torch.relu(block.bn2(block.conv2(branch)) + shortcut)
            x = attend(x, frames, f"{stage}.{i}") if attend else x
    return tsn.head.fc(x.mean((2, 3))).unflatten(0, (-1, frames))


def assert_as_released(options: dict[str, object], **settings: object) -> None:
    model = small("tsm_smallresnet", **options)
    tsn = create_model("tsn_smallresnet", num_classes=3).eval()
    attention = {n: m for n, m in model.backbone.named_modules() if isinstance(m, NonLocal)}
    tsn.load_state_dict({k: v for k, v in model.state_dict().items() if ".temporal." not in k})

    def attend(x: Tensor, frames: int, name: str) -> Tensor:
        block = attention.get(f"{name}.temporal")
        return x if block is None else non_local(block, x, frames)

    for frames in (1, 5, 8):
        want = released(tsn, clips(frames, 3), attend=attend, **settings)
        with torch.no_grad():
            assert_close(model.forward_frames(clips(frames, 3)), want)
            assert_close(model(clips(frames, 3)), want.mean(1))
            backwards = model(clips(frames, 3).flip(2))
        assert frames == 1 or (backwards - want.mean(1)).abs().max() > 0.01 * backwards.abs().max()


def non_local(block: NonLocal, x: Tensor, frames: int) -> Tensor:
    """The released block on [B, C, T, H, W], with 3D convolutions (1x1x1)."""

    def conv(conv: nn.Conv2d, v: Tensor) -> Tensor:
        return F.conv3d(v, conv.weight.unsqueeze(2), conv.bias)

    v = x.unflatten(0, (-1, frames)).transpose(1, 2)
    theta = conv(block.theta, v).flatten(2).transpose(1, 2)
    phi = F.max_pool3d(conv(block.phi, v), (1, 2, 2)).flatten(2)
    g = F.max_pool3d(conv(block.g, v), (1, 2, 2)).flatten(2).transpose(1, 2)
    y = torch.matmul(F.softmax(torch.matmul(theta, phi), dim=-1), g).transpose(1, 2).reshape(*theta.shape[::2], -1)
    y = y.reshape(v.shape[0], -1, *v.shape[2:])
    bn = block.bn
    y = F.batch_norm(conv(block.out, y), bn.running_mean, bn.running_var, bn.weight, bn.bias, eps=bn.eps)
    return (y + v).transpose(1, 2).flatten(0, 1)


@pytest.mark.parametrize("div", [2, 3, 4, 8, 16])
def test_shift_div(div):
    assert_as_released({"shift_div": div}, div=div)


def test_every_second_block():
    assert_as_released({"every": 2}, every=2)


def test_temporal_pooling():
    assert_as_released({"temporal_pool": True}, pool=True)


def test_non_local_blocks():
    assert_as_released({"non_local": True})


def test_all_options_together():
    options = {"placement": "inplace", "every": 2, "shift_div": 4, "temporal_pool": True, "non_local": True}
    assert_as_released(options, inplace=True, every=2, div=4, pool=True)


# --- non-local -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backbone", "channels_by_block"),
    [
        ("resnet50", {"layer2.0": 512, "layer2.2": 512, "layer3.0": 1024, "layer3.2": 1024, "layer3.4": 1024}),
        ("resnet101", {"layer2.0": 512, "layer2.2": 512, "layer3.0": 1024, "layer3.2": 1024, "layer3.4": 1024}),
        ("timm/resnet34", {"layer2.0": 128, "layer2.2": 128, "layer3.0": 256, "layer3.2": 256, "layer3.4": 256}),
        ("resnet18", {"layer2.0": 128, "layer3.0": 256}),
    ],
)
def test_published_non_local_blocks(backbone, channels_by_block):
    with torch.device("meta"):
        model = create_model("tsm", backbone=backbone, num_classes=2, non_local=True)
    found = {n: m.bn.num_features for n, m in model.backbone.named_modules() if isinstance(m, NonLocal)}
    assert found == {f"{name}.temporal": channels for name, channels in channels_by_block.items()}


def test_non_local_blocks_start_as_the_identity_and_use_the_whole_clip():
    """Five shifts reach five frames; with non-local blocks the last of twelve frames depends on the first."""
    model = create_model("tsm_smallresnet", num_classes=3, non_local=True).eval()
    plain = create_model("tsm_smallresnet", num_classes=3).eval()
    missing, unexpected = plain.load_state_dict(model.state_dict(), strict=False)
    assert not missing
    assert all(".temporal." in key for key in unexpected)
    assert torch.equal(model(clips()), plain(clips()))
    model = small("tsm_smallresnet", non_local=True)
    assert frames_seen(model, 12, at=11) == list(range(12))
    assert model.reach is None


# --- temporal pooling ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("frames", "pooled"), [(1, 1), (2, 1), (5, 3), (8, 4)])
@torch.no_grad()
def test_temporal_pooling_halves_the_number_of_frames(frames, pooled):
    model = small("tsm_smallresnet", temporal_pool=True)
    assert model.forward_frames(clips(frames)).shape == (2, pooled, 3)
    assert model.forward_features(clips(frames)).shape == (2, 128, pooled, 4, 4)
    assert model.step_frames == 2


@pytest.mark.parametrize("causal", [False, True])
def test_the_temporal_receptive_field_by_gradient(causal):
    """One shift, pooling, four shifts of two frames each; score k belongs to frame 2k, or 2k + 1 if causal."""
    model = small("tsm_smallresnet", temporal_pool=True, causal=causal)
    assert model.reach == ((11, 0) if causal else (10, 10))
    assert frames_seen(model, 26, at=6) == list(range(2, 14 if causal else 23))


@torch.no_grad()
def test_processing_in_steps_of_two_frames():
    model = small("tsm_smallresnet", temporal_pool=True, causal=True)
    clip = clips(8)
    state, scores = model.init_state(2, 32), model.forward_frames(clip)
    assert (model(clip.flip(2)) - model(clip)).abs().max() > 0.02 * model(clip).abs().max()
    for k in range(4):
        logits, state = model.step(clip[:, :, 2 * k : 2 * k + 2], state)
        assert_close(logits, scores[:, : k + 1].mean(1))  # k + 1 scores, none of which depends on later frames
        assert_close(logits, model(clip[:, :, : 2 * k + 2]))
    with pytest.raises(SpatempoError, match=r"step\(\) takes 2 frames of each stream, .*, got 1 in shape"):
        model.step(clip[:, :, :1], state)


def test_gradient_checkpointing_after_temporal_pooling():
    model = small("tsm_smallresnet", temporal_pool=True)

    def gradients() -> list[Tensor]:
        model.zero_grad()
        loss = model(clips(5, 3)).square().sum()
        with torch.no_grad():
            model(clips(8))  # another number of frames between the forward and backward passes
        loss.backward()
        return [p.grad.clone() for p in model.parameters() if p.grad is not None]

    plain = gradients()
    model.set_grad_checkpointing()
    for a, b in zip(gradients(), plain, strict=True):
        assert_close(a, b)


def test_temporal_pooling_is_before_the_second_stage():
    with torch.device("meta"):
        plugged = create_model("tsm_resnet50", num_classes=2, temporal_pool=True).backbone.layer1[2].temporal
    assert isinstance(plugged, TemporalPool)


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("tsm_resnet50_nl", {"causal": True}, "whole clip: give either causal or non_local"),
        ("tsm_mobilenet_v2", {"non_local": True}, "non_local.*torchvision/mobilenet_v2 has none: use a ResNet"),
        ("tsm", {"non_local": True, "backbone": "timm/resnest14d"}, "basic or bottleneck blocks.*use a ResNet"),
        ("tsm_bninception", {"non_local": True}, "BN-Inception"),
        ("tsm_convnext_tiny", {"temporal_pool": True}, "second stage of a ResNet.*torchvision/convnext_tiny"),
        ("tsm_bninception", {"temporal_pool": True}, "BN-Inception"),
        ("tsm_resnet18", {"every": 0}, "every must be a whole number of 1 or more, got 0"),
    ],
)
def test_invalid_options_are_reported_in_one_line(name, options, message):
    with pytest.raises(SpatempoError, match=message) as error, torch.device("meta"):
        create_model(name, **options)
    assert "\n" not in str(error.value)
