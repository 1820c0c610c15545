"""mmaction2's R(2+1)D-34 (a reimplementation of its Conv2plus1d, ConvModule and ResNet3d), compared with ours."""

from __future__ import annotations

import pytest
import torch
from networks import assert_same_scores, clips, randomise
from torch import nn

from spatempo.errors import SpatempoError
from spatempo.models.info import count_macs, count_params
from spatempo.models.registry import create_model


class MMConv(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, kernel: tuple[int, ...], stride: tuple[int, ...]) -> None:
        super().__init__()
        t, d, _ = kernel
        mid = int(3 * in_channels * out_channels * d * d / (in_channels * d * d + 3 * out_channels))
        pad = d // 2
        self.conv_s = nn.Conv3d(in_channels, mid, (1, d, d), (1, *stride[1:]), (0, pad, pad), bias=False)
        self.bn_s = nn.BatchNorm3d(mid)  # the config's eps is not applied here
        self.conv_t = nn.Conv3d(mid, out_channels, (t, 1, 1), (stride[0], 1, 1), (t // 2, 0, 0), bias=False)

    def forward(self, x):
        return self.conv_t(torch.relu(self.bn_s(self.conv_s(x))))


class MMModule(nn.Module):
    def __init__(self, in_channels, out_channels, kernel=(3, 3, 3), stride=(1, 1, 1)):
        super().__init__()
        self.conv = MMConv(in_channels, out_channels, kernel, stride)
        self.bn = nn.BatchNorm3d(out_channels, eps=1e-3)

    def forward(self, x):
        return self.bn(self.conv(x))


class MMBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride):
        super().__init__()
        self.conv1 = MMModule(in_channels, out_channels, stride=(stride,) * 3)
        self.conv2 = MMModule(out_channels, out_channels)
        self.downsample = MMModule(in_channels, out_channels, (1, 1, 1), (stride,) * 3) if stride > 1 else None

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        return torch.relu(self.conv2(torch.relu(self.conv1(x))) + shortcut)


class MMRecognizer(nn.Module):
    def __init__(self, layers=(3, 4, 6, 3), classes=400):
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.conv1 = MMModule(3, 64, (3, 7, 7), (1, 2, 2))
        in_channels = 64
        for i, count in enumerate(layers):
            width = 64 * 2**i
            blocks = [MMBlock(in_channels if b == 0 else width, width, 2 if b == 0 and i else 1) for b in range(count)]
            self.backbone.add_module(f"layer{i + 1}", nn.Sequential(*blocks))
            in_channels = width
        self.cls_head = nn.Module()
        self.cls_head.fc_cls = nn.Linear(512, classes)

    def forward(self, x):
        net = self.backbone
        x = nn.functional.max_pool3d(torch.relu(net.conv1(x)), (1, 3, 3), (1, 2, 2), (0, 1, 1))
        x = net.layer4(net.layer3(net.layer2(net.layer1(x))))
        return self.cls_head.fc_cls(x.mean((2, 3, 4)))


def test_mmaction2_34(tmp_path):
    net = randomise(MMRecognizer(), size=32)
    for norm in (m for m in net.modules() if isinstance(m, nn.BatchNorm3d)):
        norm.running_var.mul_(1e-2)  # so that both epsilons have an effect
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
    assert_same_scores(ours, net, clips(8, size=64))
    assert round(count_params(ours) / 1e6, 2) == 63.76
    with pytest.raises(SpatempoError, match="give form='mmaction2'"):
        create_model("r2plus1d_34", pretrained=str(tmp_path / "w.pth"))


def test_mmaction2_macs():
    with torch.device("meta"):
        model = create_model("r2plus1d_34", form="mmaction2")
    assert round(count_macs(model, 8, 256) / 1e9, 2) == 52.98  # mmaction2 prints 53.1, with more operations
