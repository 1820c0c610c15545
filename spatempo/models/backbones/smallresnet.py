"""A residual network of five basic blocks, for small images and small machines.

Widths 32, 64, 128 at strides 2, 4, 8: about 0.7 M parameters and 15 M MACs for a frame of 48x48 pixels, so that it can
be trained from scratch on two CPU cores in minutes. The blocks are ResNet's (He et al., CVPR 2016) with torchvision's
names; torchvision is not imported because that takes longer than importing torch.
"""

from __future__ import annotations

from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, ``[N, C_in, H, W] -> [N, C_out, H / stride, W / stride]`` (fig. 2)."""

    def __init__(self, width_in: int, width_out: int, stride: int = 1, downsample: nn.Module | None = None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width_out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width_out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width_out, width_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width_out)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(out)) + shortcut)


class SmallResNet(nn.Module):
    """Images ``[N, 3, H, W]`` to maps ``[N, 128, H/8, W/8]``."""

    num_features = 128

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(BasicBlock(32, 32))
        self.layer2 = nn.Sequential(_widening(32, 64), BasicBlock(64, 64))
        self.layer3 = nn.Sequential(_widening(64, 128), BasicBlock(128, 128))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # initialisation as in torchvision's residual networks
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        return self.layer3(self.layer2(self.layer1(x)))


def _widening(width_in: int, width_out: int) -> BasicBlock:
    shortcut = nn.Sequential(nn.Conv2d(width_in, width_out, 1, stride=2, bias=False), nn.BatchNorm2d(width_out))
    return BasicBlock(width_in, width_out, stride=2, downsample=shortcut)
