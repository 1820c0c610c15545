"""Released TSM and TSN weights by layout: key names, and the same scores as the original network."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
import torchvision
from released_mobilenets import MmactionMobileNet, OnlineMobileNet
from released_networks import MmactionResNet, OfficialTsm, randomise
from torch import Tensor, nn

from spatempo.errors import SpatempoError
from spatempo.models.registry import create_model
from spatempo.models.video_model import VideoModel

FRAMES = 4


def clips(size: int = 64) -> Tensor:
    return torch.randn(2, 3, FRAMES, size, size, generator=torch.Generator().manual_seed(1))


def images(size: int = 64) -> Tensor:
    return clips(size).transpose(1, 2).flatten(0, 1)


def loaded(weights: dict[str, Tensor], folder: Path, name: str, **options: object) -> VideoModel:
    torch.save({"state_dict": weights, "meta": {"epoch": 50}}, folder / "w.pth")
    given = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "dropout": 0.0, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return create_model(name, pretrained=str(folder / "w.pth"), **given).eval()  # pyright: ignore


def assert_same_scores(model: VideoModel, reference: nn.Module) -> None:
    with torch.no_grad():
        want = reference(images()).unflatten(0, (2, -1))
        got = model.forward_frames(clips())
        other = model.forward_frames(clips().flip(2)).flip(1)
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4 * float(want.abs().max()))
    if model.design == "tsm":
        assert (other - want).abs().max() > 0.02 * want.abs().max(), "order has no effect, so this proves nothing"


# --- the official code -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "reference", "keys"),
    [
        (
            "tsm_resnet50",
            {},
            {},
            ("layer1.0.conv1.net.weight", "layer4.2.conv1.net.weight", "layer2.1.bn2.running_var"),
        ),
        (
            "tsm_resnet101",
            {},
            {"name": "resnet101", "every": 2},
            ("layer3.22.conv1.net.weight", "layer3.21.conv1.weight", "layer1.0.downsample.1.bias"),
        ),
        (
            "tsm_resnet18",
            {"placement": "inplace"},
            {"name": "resnet18", "place": "block"},
            ("layer1.0.net.conv1.weight", "layer2.0.net.downsample.1.bias"),
        ),
        ("tsn_resnet18", {}, {"name": "resnet18", "place": "", "dropout": False}, ("fc.weight", "fc.bias")),
        ("tsm_resnet18", {}, {"name": "resnet18", "dropout": False}, ("layer1.0.conv1.net.weight", "fc.bias")),
        ("tsm_resnet50", {"temporal_pool": True}, {"pool": True}, ("layer2.net.0.conv1.net.weight", "bn1.weight")),
        (
            "tsm_resnet50_nl",
            {},
            {"nl": True},
            ("layer2.0.block.conv1.net.weight", "layer3.4.nl.W.1.running_mean", "layer2.2.nl.phi.0.bias"),
        ),
        (
            "tsm_resnet50_nl",
            {"temporal_pool": True},
            {"nl": True, "pool": True},
            ("layer2.net.2.nl.theta.weight", "layer3.0.nl.g.0.weight"),
        ),
    ],
)
def test_official_resnets(tmp_path, name, options, reference, keys):
    net = OfficialTsm(5, FRAMES, **reference)
    randomise(net, images())
    weights = {f"module.{k}": v for k, v in net.state_dict().items()}
    assert {f"module.base_model.{k}" for k in keys} <= set(weights)
    assert_same_scores(loaded(weights, tmp_path, name, num_classes=5, **options), net)


def test_official_mobilenet_v2(tmp_path):
    """Flat blocks: 0 expand, 1 norm, 3 depthwise, 4 norm, 6 project, 7 norm; the first block has no expansion."""
    plain = torchvision.models.mobilenet_v2(weights=None)
    own = {k: torch.rand(v.shape) if v.is_floating_point() else v for k, v in plain.state_dict().items()}
    flat = {"0.0": "0", "0.1": "1", "1.0": "3", "1.1": "4", "2": "6", "3": "7"}
    first = {"0.0": "0", "0.1": "1", "1": "3", "2": "4"}
    shifted = {3, 5, 6, 8, 9, 10, 12, 13, 15, 16}
    official: dict[str, torch.Tensor] = {}
    for key, value in own.items():
        parts = key.split(".")
        if key.startswith("classifier"):
            continue
        if parts[2] == "conv":
            inner, table = ".".join(parts[3:-1]), first if parts[1] == "1" else flat
            at = table[inner] + (".net" if inner == "0.0" and int(parts[1]) in shifted else "")
            key = f"features.{parts[1]}.conv.{at}.{parts[-1]}"
        official[f"module.base_model.{key}"] = value
    official["module.new_fc.weight"], official["module.new_fc.bias"] = torch.rand(400, 1280), torch.rand(400)
    assert "module.base_model.features.3.conv.0.net.weight" in official
    assert "module.base_model.features.1.conv.3.weight" in official
    torch.save({"state_dict": official}, tmp_path / "m.pth")
    with pytest.warns(UserWarning, match="ImageNet"):
        model = create_model("tsm_mobilenet_v2", num_classes=400, pretrained=str(tmp_path / "m.pth"))
    for key, value in model.backbone.state_dict().items():
        assert torch.equal(value, own[key]), key
    assert torch.equal(model.head.fc.bias, official["module.new_fc.bias"])


def test_non_local_weights_need_non_local_blocks(tmp_path):
    with torch.device("cpu"):
        weights = {f"module.{k}": v for k, v in OfficialTsm(5, FRAMES, nl=True).state_dict().items()}
    assert sum(".nl." in k for k in weights) == 5 * 13
    assert weights["module.base_model.layer2.0.nl.phi.0.weight"].shape == (256, 512, 1, 1, 1)
    with pytest.raises(SpatempoError, match=r"at layer2.0 the file has NonLocal, .* give non_local=True"):
        loaded(weights, tmp_path, "tsm_resnet50", num_classes=5)
    del weights["module.base_model.layer3.4.nl.g.0.bias"]
    with pytest.raises(SpatempoError, match=r"lacks 1 weight \(layer3.4.temporal.g.bias\)"):
        loaded(weights, tmp_path, "tsm_resnet50_nl", num_classes=5)
    weights["module.base_model.layer3.4.nl.h.bias"] = torch.zeros(1)
    weights["module.base_model.layer3.4.nl.g.0.bias"] = torch.zeros(512)
    with pytest.raises(SpatempoError, match=r"1 unknown weight \(layer3.4.nl.h.bias\)"):
        loaded(weights, tmp_path, "tsm_resnet50_nl", num_classes=5)


# --- the online demo -------------------------------------------------------------------------------------------------


def test_online_demo_for_gestures(tmp_path):
    net = OnlineMobileNet(27)
    randomise(net, images())
    weights = net.state_dict()
    assert len(weights) == 52 + 52 * 5 + 2  # convolutions, batch norms, classifier
    assert {"features.0.1.bias", "features.1.conv.4.weight", "features.17.conv.7.running_var"} <= set(weights)
    torch.save(weights, tmp_path / "mobilenetv2_jester_online.pth.tar")  # a plain state_dict
    given = {"num_classes": 27, "mean": (0.5,) * 3, "std": (0.5,) * 3}
    path = str(tmp_path / "mobilenetv2_jester_online.pth.tar")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = create_model("tsm_mobilenet_v2", causal=True, pretrained=path, **given).eval()
    past, state, clip = None, model.init_state(2, 64), clips()
    want = []
    with torch.no_grad():
        for t in range(FRAMES):
            scores, past = net(clip[:, :, t], past)
            want.append(scores)
            logits, state = model.step(clip[:, :, t : t + 1], state)
            for ours, theirs in zip(state, past, strict=False):
                torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    frames = torch.stack(want, 1)
    torch.testing.assert_close(logits, frames.mean(1), rtol=1e-4, atol=1e-4 * float(frames.abs().max()))
    with torch.no_grad():
        torch.testing.assert_close(model.forward_frames(clip), frames, rtol=1e-4, atol=1e-4 * float(frames.abs().max()))
    for name, options in (("tsm_mobilenet_v2", {}), ("tsn_mobilenet_v2", {"causal": True})):
        with pytest.warns(UserWarning, match="create tsm_mobilenet_v2 with causal=True"):
            create_model(name, pretrained=path, **given, **options)
    image = {**weights, "classifier.weight": torch.zeros(1000, 1280), "classifier.bias": torch.zeros(1000)}
    torch.save(image, path)  # ImageNet weights in the same layout, the initial weights in TSM's code
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        create_model("tsm_mobilenet_v2", pretrained=path, **given)
    torch.save({k: v for k, v in weights.items() if k != "features.9.conv.3.weight"}, path)
    with pytest.raises(SpatempoError, match=r"lacks 1 weight \(features.9.conv.1.0.weight\)"):
        create_model("tsm_mobilenet_v2", causal=True, pretrained=path, **given)


# --- mmaction2 -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "backbone", "frames", "keys"),
    [
        (
            "tsm_resnet50",
            "resnet50",
            FRAMES,
            (
                "conv1.bn.weight",
                "layer1.0.conv1.conv.net.weight",
                "layer1.0.conv1.bn.bias",
                "layer2.0.downsample.bn.bias",
            ),
        ),
        ("tsn_resnet50", "resnet50", None, ("conv1.conv.weight", "layer3.5.conv3.conv.weight")),
        ("tsm_resnet18", "resnet18", FRAMES, ("layer4.1.conv2.bn.running_mean",)),
    ],
)
def test_mmaction_resnets(tmp_path, name, backbone, frames, keys):
    net = MmactionResNet(5, backbone, frames)
    randomise(net, images())
    weights = net.state_dict()
    assert {f"backbone.{k}" for k in keys} | {"cls_head.fc_cls.weight"} <= set(weights)
    assert_same_scores(loaded(weights, tmp_path, name, num_classes=5), net)
    # another number of classes: the classifier is new
    assert loaded(weights, tmp_path, name, num_classes=7).head.fc.weight.abs().max() < 0.01


def test_mmaction_mobilenet_v2(tmp_path):
    net = MmactionMobileNet(5, FRAMES)
    randomise(net, images())
    weights = net.state_dict()
    keys = ("layer1.0.conv.0.conv.weight", "layer2.1.conv.0.net.conv.weight", "layer2.1.conv.0.net.bn.bias")
    assert {f"backbone.{k}" for k in (*keys, "layer7.0.conv.2.bn.weight", "conv2.conv.weight")} <= set(weights)
    assert_same_scores(loaded(weights, tmp_path, "tsm_mobilenet_v2", num_classes=5), net)


def test_the_error_names_unknown_and_missing_weights_of_mmaction(tmp_path):
    weights = MmactionResNet(5, "resnet18", FRAMES).state_dict()
    weights["backbone.layer2.0.non_local_block.g.0.conv.weight"] = torch.zeros(1)
    with pytest.raises(SpatempoError, match=r"1 unknown weight \(layer2.0.non_local_block.g.0.conv.weight\)"):
        loaded(weights, tmp_path, "tsm_resnet18", num_classes=5)
    del (
        weights["backbone.layer2.0.non_local_block.g.0.conv.weight"],
        weights["backbone.layer3.0.downsample.conv.weight"],
    )
    with pytest.raises(SpatempoError, match=r"lacks 1 weight \(layer3.0.downsample.0.weight\)"):
        loaded(weights, tmp_path, "tsm_resnet18", num_classes=5)
