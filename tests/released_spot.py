"""E2E-Spot networks with the module structure of released code, for adapters; see :mod:`released_networks`."""

from __future__ import annotations

import timm
import torch
import torch.nn.functional as F
import torchvision
from released_networks import Shifted
from torch import Tensor, nn


class Gate(nn.Module):
    """The released gated shift, in 3D, with its shuffle."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv3D = nn.Conv3d(channels, 2, 3, padding=1, groups=2)
        self.bn = nn.BatchNorm3d(channels)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.tanh(self.conv3D(F.relu(self.bn(x))))
        out = []
        for half, part in enumerate(x.chunk(2, 1)):
            moves = gate[:, half : half + 1] * part
            zero = torch.zeros_like(moves[:, :, :1])
            moved = torch.cat([moves[:, :, 1:], zero] if half == 0 else [zero, moves[:, :, :-1]], 2)
            out.append((part - moves + moved).unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2))
        return torch.cat(out, 1)


class Gated(nn.Module):
    """A gated shift of a quarter of the channels, rounded up to a multiple of 4, wrapped around a layer."""

    def __init__(self, net: nn.Module, channels: int, frames: int) -> None:
        super().__init__()
        self.channels = -(-(channels // 4) // 4) * 4
        self.gsm = Gate(self.channels)
        self.net = net
        self.frames = frames

    def forward(self, x: Tensor) -> Tensor:
        moved = self.gsm(x[:, : self.channels].unflatten(0, (-1, self.frames)).transpose(1, 2))
        return self.net(torch.cat([moved.transpose(1, 2).flatten(0, 1), x[:, self.channels :]], 1))


class Overwriting(Shifted):
    """A temporal shift around a layer that overwrites its input, so a parallel shortcut gets the shifted features."""

    def forward(self, x: Tensor) -> Tensor:
        x.copy_(self.shift(x))
        return self.net(x)


class Spot(nn.Module):
    """Network of E2E-Spot: ``_features`` and ``_pred_fine``, a linear layer with an optional GRU before it.

    Args:
        classes, frames: number of classes and frames.
        name: a ResNet of torchvision, or a RegNet of timm.
        operator: ``"gsm"`` or ``"tsm"``.
        gru: whether there is a GRU.
    """

    def __init__(self, classes: int, frames: int, name: str, operator: str, *, gru: bool = False) -> None:
        super().__init__()
        if name.startswith("resnet"):
            self._features = net = torchvision.models.get_model(name, weights=None)
            features, stages = net.fc.in_features, (net.layer1, net.layer2, net.layer3, net.layer4)
            net.fc = nn.Identity()
        else:
            self._features = net = timm.create_model(name)
            features, stages = net.head.fc.in_features, (net.s1, net.s2, net.s3, net.s4)  # pyright: ignore
            net.head.fc = nn.Identity()  # pyright: ignore
        every = 2 if name.startswith("resnet") and len(list(stages[2].children())) >= 23 else 1
        for stage in stages:
            for block in list(stage.children())[::every]:
                conv = block.conv1 if isinstance(block.conv1, nn.Conv2d) else block.conv1.conv  # pyright: ignore
                shifted = Overwriting(block.conv1, frames)  # pyright: ignore
                block.conv1 = Gated(block.conv1, conv.in_channels, frames) if operator == "gsm" else shifted  # pyright: ignore
        self._pred_fine = nn.Module()
        self._pred_fine._fc_out = nn.Linear(features, classes)
        if gru:
            self._pred_fine._gru = nn.GRU(features, 8, batch_first=True, bidirectional=True)
            self._pred_fine._fc_out = nn.ModuleDict({"_fc_out": nn.Linear(16, classes)})

    def forward(self, images: Tensor) -> Tensor:
        return self._pred_fine._fc_out(self._features(images))  # pyright: ignore[reportCallIssue]
