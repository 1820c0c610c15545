"""Weight files of other code, image weights and our own checkpoints in the R(2+1)D paper's networks."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from networks import randomise
from safetensors.torch import save_file
from torch import nn
from torchvision.models import video
from torchvision.models.video.resnet import BasicBlock, Conv2Plus1D, R2Plus1dStem, VideoResNet

from spatempo.errors import SpatempoError
from spatempo.models.checkpoint import load, save_checkpoint
from spatempo.models.info import count_macs, count_params
from spatempo.models.native.from_image import from_image
from spatempo.models.registry import create_model

KINETICS = {"mean": (0.43216, 0.394666, 0.37645), "std": (0.22803, 0.22145, 0.216989)}


def theirs(net: nn.Module) -> nn.Module:
    """Random batch norms whose statistics keep the signal up through the network, and a head that tells clips apart."""
    randomise(net, size=32)
    return net.eval()


def clip(frames: int = 8, size: int = 48) -> torch.Tensor:
    return torch.randn(2, 3, frames, size, size, generator=torch.Generator().manual_seed(3))


def equal_outputs(ours: nn.Module, net: nn.Module, x: torch.Tensor) -> None:
    with torch.no_grad():
        want, got = net(x), ours.eval()(x)
        assert (net(x.flip(2)) - want).abs().max() > 1e-2 * want.abs().max(), "order has no effect: nothing is proved"
        assert (got - want).abs().max() < 1e-5 * max(1.0, float(want.abs().max()))


@pytest.mark.parametrize(
    ("name", "options"), [("r3d_18", {}), ("mc3_18", {}), ("r2plus1d_18", {"midplanes": "torchvision"})]
)
def test_equals_torchvision_on_the_same_weights(tmp_path, name, options):
    net = theirs(getattr(video, name)(weights=None))
    torch.save(net.state_dict(), tmp_path / "w.pth")
    with pytest.warns(UserWarning, match=f"those of {name.partition('_')[0]} are used"):
        ours = create_model(name, pretrained=str(tmp_path / "w.pth"), **options)
    assert {k.removeprefix("backbone.").removeprefix("head.") for k in ours.state_dict()} == set(net.state_dict())
    assert ours.preprocess.mean == KINETICS["mean"]
    equal_outputs(ours, net, clip())


def test_names_of_published_weight_sets(tmp_path, monkeypatch):
    with pytest.raises(SpatempoError, match="KINETICS400_V1"):
        create_model("r3d_18", pretrained="IMAGENET1K_V1", width=4)
    with pytest.raises(SpatempoError, match="no published weights"):
        create_model("rmc2_18", pretrained=True, width=4)
    net = video.mc3_18(weights=None)
    monkeypatch.setattr(video.MC3_18_Weights, "get_state_dict", lambda self, *_, **__: net.state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = create_model("mc3_18", pretrained=True)
    assert ours.preprocess.mean == KINETICS["mean"]
    assert torch.equal(ours.head.fc.weight, net.fc.weight)


def ig65m_34(classes: int) -> VideoResNet:
    """R(2+1)D-34 as ig65m-pytorch builds it on torchvision's class: mid channels per convolution, eps 1e-3."""
    net = VideoResNet(BasicBlock, [Conv2Plus1D] * 4, [3, 4, 6, 3], R2Plus1dStem, num_classes=classes)
    for layer, width, mid in ((net.layer2, 128, 288), (net.layer3, 256, 576), (net.layer4, 512, 1152)):
        layer[0].conv2[0] = Conv2Plus1D(width, width, mid)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.eps = 1e-3
    return net


def test_ig65m_34(tmp_path):
    net = theirs(ig65m_34(359))
    for norm in (m for m in net.modules() if isinstance(m, nn.BatchNorm3d)):
        norm.running_var.mul_(1e-2)  # so that eps counts
        norm.weight.data.mul_(0.1)
    save_file(net.state_dict(), tmp_path / "w.safetensors")
    (tmp_path / "w.json").write_text(json.dumps(KINETICS))
    path = str(tmp_path / "w.safetensors")
    with pytest.warns(UserWarning, match=r"eps is set to 0\.001"):
        ours = create_model("r2plus1d_34", num_classes=359, pretrained=path)
    equal_outputs(ours, net, clip(8, 32))


def as_file(model: nn.Module, path: Path) -> str:
    """Weights of one of our networks under the names of torchvision and VMZ."""
    weights = {k.removeprefix("backbone.").replace("head.fc", "fc"): v for k, v in model.state_dict().items()}
    save_file(weights, path)
    path.with_suffix(".json").write_text(json.dumps(KINETICS))
    return str(path)


def epsilons(model: nn.Module) -> set[float]:
    return {m.eps for m in model.modules() if isinstance(m, nn.BatchNorm3d)}


def test_epsilon_of_vmz_is_remembered_and_can_be_overruled(tmp_path):
    path = as_file(create_model("r2plus1d_18", width=4, num_classes=3), tmp_path / "w.safetensors")
    with pytest.warns(UserWarning, match=r"eps is set to 0\.001"):
        model = create_model("r2plus1d_18", width=4, num_classes=3, pretrained=path)
    save_checkpoint(model, tmp_path / "own")
    assert epsilons(load(tmp_path / "own")) == {1e-3}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = create_model("r2plus1d_18", width=4, num_classes=5, pretrained=str(tmp_path / "own"))
        chosen = create_model("r2plus1d_18", width=4, num_classes=5, pretrained=path, bn_eps=1e-5)
    assert epsilons(again) == {1e-3}
    assert epsilons(chosen) == {1e-5}
    assert epsilons(create_model("r3d_18", width=4, bn_eps=1e-3)) == {1e-3}
    bottleneck = as_file(create_model("r2plus1d_50", width=4, num_classes=3), tmp_path / "b.safetensors")
    with pytest.warns(UserWarning, match=r"eps is set to 0\.001"):
        create_model("r2plus1d_50", width=4, num_classes=3, pretrained=bottleneck)


# --- mmaction2, written out from its Conv2plus1d, ConvModule and ResNet3d ---------------------------------------------


class MMConv(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
        super().__init__()
        t, d, _ = kernel
        mid = int(3 * inputs * outputs * d * d / (inputs * d * d + 3 * outputs))
        pad = d // 2
        self.conv_s = nn.Conv3d(inputs, mid, (1, d, d), (1, *stride[1:]), (0, pad, pad), bias=False)
        self.bn_s = nn.BatchNorm3d(mid)  # the config's eps does not reach it
        self.conv_t = nn.Conv3d(mid, outputs, (t, 1, 1), (stride[0], 1, 1), (t // 2, 0, 0), bias=False)

    def forward(self, x):
        return self.conv_t(torch.relu(self.bn_s(self.conv_s(x))))


class MMModule(nn.Module):
    def __init__(self, inputs, outputs, kernel=(3, 3, 3), stride=(1, 1, 1)):
        super().__init__()
        self.conv = MMConv(inputs, outputs, kernel, stride)
        self.bn = nn.BatchNorm3d(outputs, eps=1e-3)

    def forward(self, x):
        return self.bn(self.conv(x))


class MMBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = MMModule(inputs, outputs, stride=(stride,) * 3)
        self.conv2 = MMModule(outputs, outputs)
        self.downsample = MMModule(inputs, outputs, (1, 1, 1), (stride,) * 3) if stride > 1 else None

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        return torch.relu(self.conv2(torch.relu(self.conv1(x))) + shortcut)


class MMRecognizer(nn.Module):
    def __init__(self, layers=(3, 4, 6, 3), classes=400):
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.conv1 = MMModule(3, 64, (3, 7, 7), (1, 2, 2))
        inputs = 64
        for i, count in enumerate(layers):
            width = 64 * 2**i
            blocks = [MMBlock(inputs if b == 0 else width, width, 2 if b == 0 and i else 1) for b in range(count)]
            self.backbone.add_module(f"layer{i + 1}", nn.Sequential(*blocks))
            inputs = width
        self.cls_head = nn.Module()
        self.cls_head.fc_cls = nn.Linear(512, classes)

    def forward(self, x):
        net = self.backbone
        x = nn.functional.max_pool3d(torch.relu(net.conv1(x)), (1, 3, 3), (1, 2, 2), (0, 1, 1))
        x = net.layer4(net.layer3(net.layer2(net.layer1(x))))
        return self.cls_head.fc_cls(x.mean((2, 3, 4)))


def test_mmaction2_34(tmp_path):
    net = theirs(MMRecognizer())
    for norm in (m for m in net.modules() if isinstance(m, nn.BatchNorm3d)):
        norm.running_var.mul_(1e-2)  # so that both epsilons count
        norm.weight.data.mul_(0.1)
    keys = set(net.state_dict())
    for key in (
        "backbone.conv1.conv.conv_s.weight",
        "backbone.conv1.bn.running_mean",
        "backbone.layer2.0.downsample.conv.bn_s.weight",
        "backbone.layer4.2.conv2.conv.conv_t.weight",
        "cls_head.fc_cls.bias",
    ):
        assert key in keys  # as in the files of its model zoo
    torch.save({"meta": {"epoch": 180}, "state_dict": net.state_dict()}, tmp_path / "w.pth")
    with pytest.warns(UserWarning, match="ImageNet's are used"):
        ours = create_model("r2plus1d_34", form="mmaction2", pretrained=str(tmp_path / "w.pth"))
    equal_outputs(ours, net, clip(8, 64))
    assert round(count_params(ours) / 1e6, 2) == 63.76
    with pytest.raises(SpatempoError, match="give form='mmaction2'"):
        create_model("r2plus1d_34", pretrained=str(tmp_path / "w.pth"))


def test_mmaction2_macs():
    with torch.device("meta"):
        model = create_model("r2plus1d_34", form="mmaction2")
    assert round(count_macs(model, 8, 256) / 1e9, 2) == 52.98  # they print 53.1, counting more than convolutions


# --- what does not fit ------------------------------------------------------------------------------------------------


def test_says_which_rule_of_mid_channels_a_file_has(tmp_path):
    save_file(video.r2plus1d_18(weights=None).state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(SpatempoError, match="give midplanes='torchvision'"):
        create_model("r2plus1d_18", pretrained=str(tmp_path / "w.safetensors"))
    for size in ("34", "50"):
        path = as_file(create_model(f"r2plus1d_{size}", width=4), tmp_path / "v.safetensors")
        with pytest.raises(SpatempoError, match="give midplanes='paper'"):
            create_model(f"r2plus1d_{size}", width=4, midplanes="torchvision", pretrained=path)


def test_names_what_is_missing_or_unknown(tmp_path):
    weights = dict(create_model("mc2_18", width=4, num_classes=3).state_dict())
    weights = {k.removeprefix("backbone.").replace("head.fc", "fc"): v for k, v in weights.items()}
    path = str(tmp_path / "w.safetensors")
    save_file({k: v for k, v in weights.items() if k != "layer1.0.conv1.0.weight"}, path)
    with pytest.raises(SpatempoError, match=r"lacks 1 of its weights \(layer1.0.conv1.0.weight\)"):
        create_model("mc2_18", width=4, num_classes=3, pretrained=path)
    save_file({**weights, "layer5.0.weight": torch.ones(1)}, path)
    with pytest.raises(SpatempoError, match=r"unknown 1 of its weights \(layer5.0.weight\)"):
        create_model("mc2_18", width=4, num_classes=3, pretrained=path)
    save_file(weights, path)
    with pytest.raises(SpatempoError, match="other shapes"):
        create_model("mc3_18", width=4, num_classes=3, pretrained=path)


# --- our own checkpoints ----------------------------------------------------------------------------------------------


def test_train_short_then_finetune_long(tmp_path):
    """Weights of a checkpoint for 8 frames start a network for 32, with other classes."""
    short = randomise(create_model("r2plus1d_18", width=4, num_classes=3, frames=8), size=32)
    short.preprocess = short.preprocess.__class__(frames=8, size=32, mean=(0.1, 0.2, 0.3), std=(1, 2, 3))
    save_checkpoint(short, tmp_path / "run" / "best")
    for source in ("run", "run/best", "run/best/model.safetensors"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            long = create_model(
                "r2plus1d_18", width=4, num_classes=5, frames=32, pretrained=str(tmp_path / source)
            ).eval()
        assert long.preprocess.frames == 32
        assert long.preprocess.mean == (0.1, 0.2, 0.3)
        x = clip(32, 32)
        assert torch.equal(long.forward_features(x), short.forward_features(x))
        assert long(x).shape == (2, 5)
    same = create_model("r2plus1d_18", width=4, num_classes=3, pretrained=str(tmp_path / "run")).eval()
    assert torch.equal(same(x), short(x))
    r2d = create_model("r2d_18", width=4, num_classes=3, frames=8)
    save_checkpoint(r2d, tmp_path / "r2d")
    with pytest.raises(SpatempoError, match="other shapes"):
        create_model("r2d_18", width=4, num_classes=3, frames=4, pretrained=str(tmp_path / "r2d"))


# --- image weights ----------------------------------------------------------------------------------------------------


@torch.no_grad()
def test_f_r2d_with_image_weights_is_the_image_network_frame_by_frame(tmp_path):
    image = theirs_image(torchvision.models.resnet18(weights=None))
    save_file(image.state_dict(), tmp_path / "w.safetensors")
    with pytest.warns(UserWarning, match="ImageNet's are used"):
        ours = create_model(
            "fr2d_18", stem_pool=True, num_classes=1000, pretrained=str(tmp_path / "w.safetensors")
        ).eval()
    ours.head.fc.load_state_dict(image.fc.state_dict())
    x = clip(3, 64)
    want = torch.stack([image(x[:, :, t]) for t in range(3)], 1)
    torch.testing.assert_close(ours.forward_frames(x), want, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("training", [False, True])
def test_r2plus1d_50_blocks_with_image_weights_are_the_image_blocks(tmp_path, training):
    """All but the stem: a convolution in space of w and -w, a ReLU, and their difference are the convolution by w."""
    image = theirs_image(torchvision.models.resnet50(weights=None))
    ours = create_model("r2plus1d_50", num_classes=2)
    made = from_image(ours.backbone, image.state_dict())
    ours.backbone.load_state_dict(made, strict=True)
    ours.train(training)
    image.train(training)
    x = torch.randn(2, 64, 1, 12, 12, generator=torch.Generator().manual_seed(0)).relu()
    want, got = image.layer1(x[:, :, 0]), ours.backbone.layer1(x)[:, :, 0]
    torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-3 * float(want.abs().max()))
    if not training:
        want, got = image.layer2(want), ours.backbone.layer2(got.unsqueeze(2))[:, :, 0]
        torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-3 * float(want.abs().max()))


@torch.no_grad()
def test_3d_inflation_and_the_factorised_stem(tmp_path):
    image = theirs_image(torchvision.models.resnet18(weights=None))
    # a stem of 20 filters' rank, which the 22 components of 45 channels hold whole
    basis = torch.randn(20, 3, 7, 7, generator=torch.Generator().manual_seed(1)) * 0.05
    image.conv1.weight.copy_(torch.einsum("ok,kcyx->ocyx", torch.randn(64, 20), basis))
    still = clip(1, 32).expand(-1, -1, 5, -1, -1)
    want = image.conv1(still[:, :, 0])
    r3d, r2plus1d = create_model("r3d_18", num_classes=2).eval(), create_model("r2plus1d_18", num_classes=2).eval()
    for model in (r3d, r2plus1d):
        model.backbone.load_state_dict(from_image(model.backbone, image.state_dict()), strict=True)
    torch.testing.assert_close(r3d.backbone.stem[0](still)[:, :, 2], want, rtol=1e-4, atol=1e-4)
    got = r2plus1d.backbone.stem[:4](still)
    torch.testing.assert_close(got[:, :, 2], want, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(got[:, :, 0], want, rtol=1e-3, atol=1e-3)  # of its own frame alone


def test_image_weights_of_another_depth_are_refused(tmp_path):
    save_file(torchvision.models.resnet34(weights=None).state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(SpatempoError, match=r"unknown .* of its weights|lacks"):
        create_model("r3d_18", pretrained=str(tmp_path / "w.safetensors"))


def test_image_networks_with_keys_like_ours_are_not_mistaken(tmp_path):
    """timm's ConvNeXt has a stem.0, its RegNet a head.fc."""
    for name in ("convnext_atto", "regnety_002"):
        net = timm.create_model(name)
        save_file(net.state_dict(), tmp_path / "w.safetensors")
        (tmp_path / "w.json").write_text(json.dumps(KINETICS))
        create_model("tsn", backbone=f"timm/{name}", num_classes=2, pretrained=str(tmp_path / "w.safetensors"))


def theirs_image(net: nn.Module) -> nn.Module:
    draw = torch.Generator().manual_seed(0)
    for norm in (m for m in net.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.weight, 0.5, 1.5, generator=draw)
        nn.init.uniform_(norm.bias, -0.2, 0.2, generator=draw)
        norm.momentum = 1.0
    with torch.no_grad():
        net.train()(torch.randn(4, 3, 64, 64, generator=draw))
    return net.eval()
