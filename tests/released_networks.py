"""Networks with the module structure and weight names of released code: references for adapters.

Each is a torchvision network with wrapped or regrouped parts, as in the released code. The wrappers take the number
of frames as an argument.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn
from torchvision.models.resnet import ResNet


def randomise(net: nn.Module, images: Tensor) -> None:
    """Random batch norms with statistics of ``images``, so that every weight affects the scores; sets eval mode."""
    torch.manual_seed(0)
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d | nn.BatchNorm3d)]
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.bias, -0.2, 0.2)
        norm.momentum = 1.0
    with torch.no_grad():
        net.train()(images)
    net.eval()


class Shifted(nn.Module):
    """A temporal shift wrapped around a layer."""

    def __init__(self, net: nn.Module, frames: int) -> None:
        super().__init__()
        self.net = net
        self.frames = frames

    def forward(self, x: Tensor) -> Tensor:
        return self.net(self.shift(x))

    def shift(self, x: Tensor) -> Tensor:
        x = x.unflatten(0, (-1, self.frames))
        fold = x.shape[2] // 8
        future = F.pad(x[:, 1:, :fold], (0, 0, 0, 0, 0, 0, 0, 1))
        past = F.pad(x[:, :-1, fold : 2 * fold], (0, 0, 0, 0, 0, 0, 1, 0))
        return torch.cat([future, past, x[:, :, 2 * fold :]], 2).flatten(0, 1)


class Pooled(nn.Module):
    """Temporal pooling wrapped around a stage."""

    def __init__(self, net: nn.Module, frames: int) -> None:
        super().__init__()
        self.net = net
        self.frames = frames

    def forward(self, x: Tensor) -> Tensor:
        x = x.unflatten(0, (-1, self.frames)).transpose(1, 2)
        return self.net(F.max_pool3d(x, (3, 1, 1), (2, 1, 1), (1, 0, 0)).transpose(1, 2).flatten(0, 1))


class Attention(nn.Module):
    """The released non-local block, in 3D."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner, pool = channels // 2, nn.MaxPool3d((1, 2, 2))
        self.g = nn.Sequential(nn.Conv3d(channels, inner, 1), pool)
        self.W = nn.Sequential(nn.Conv3d(inner, channels, 1), nn.BatchNorm3d(channels))
        self.theta = nn.Conv3d(channels, inner, 1)
        self.phi = nn.Sequential(nn.Conv3d(channels, inner, 1), pool)

    def forward(self, x: Tensor) -> Tensor:
        affinity = torch.einsum("bcn,bcm->bnm", self.theta(x).flatten(2), self.phi(x).flatten(2)).softmax(-1)
        y = torch.einsum("bnm,bcm->bcn", affinity, self.g(x).flatten(2))
        return self.W(y.view(x.shape[0], -1, *x.shape[2:])) + x


class Attended(nn.Module):
    """A non-local block after a residual block."""

    def __init__(self, block: nn.Module, channels: int, frames: int) -> None:
        super().__init__()
        self.block = block
        self.nl = Attention(channels)
        self.frames = frames

    def forward(self, x: Tensor) -> Tensor:
        x = self.block(x).unflatten(0, (-1, self.frames)).transpose(1, 2)
        return self.nl(x).transpose(1, 2).flatten(0, 1)


class OfficialTsm(nn.Module):
    """Network of mit-han-lab: ``base_model`` and ``new_fc``, or without dropout the classifier of ``base_model``.

    Args:
        classes, frames: number of classes and frames.
        name: name of the torchvision network.
        place: placement of the shifts, ``"blockres"``, ``"block"`` or, for a TSN, ``""``.
        every: every n-th block of a stage has a shift.
        pool: temporal pooling.
        nl: non-local blocks.
        dropout: whether it was trained with dropout.
    """

    def __init__(
        self,
        classes: int,
        frames: int,
        name: str = "resnet50",
        *,
        place: str = "blockres",
        every: int = 1,
        pool: bool = False,
        nl: bool = False,
        dropout: bool = True,
    ) -> None:
        super().__init__()
        self.base_model = net = torchvision.models.get_model(name, weights=None)
        assert isinstance(net, ResNet)
        fc = nn.Linear(net.fc.in_features, classes)
        self.new_fc = fc if dropout else nn.Identity()
        net.fc = nn.Identity() if dropout else fc  # pyright: ignore[reportAttributeAccessIssue]
        for number, stage in enumerate((net.layer1, net.layer2, net.layer3, net.layer4)):
            left = (frames + 1) // 2 if pool and number else frames
            for i in range(0, len(stage), every) if place else ():
                if place == "block":
                    stage[i] = Shifted(stage[i], left)
                else:
                    stage[i].conv1 = Shifted(stage[i].conv1, left)  # pyright: ignore[reportArgumentType]
            for i in {1: (0, 2), 2: (0, 2, 4)}.get(number, ()) if nl else ():
                stage[i] = Attended(stage[i], 256 * 2**number, left)
        if pool:
            net.layer2 = Pooled(net.layer2, frames)  # pyright: ignore[reportAttributeAccessIssue]

    def forward(self, images: Tensor) -> Tensor:
        return self.new_fc(self.base_model(images))


class ConvModule(nn.Module):
    """A convolution and its batch norm in one module, as in mmcv."""

    def __init__(self, conv: nn.Module, bn: nn.Module, activate: nn.Module | None = None) -> None:
        super().__init__()
        self.conv = conv
        self.bn = bn
        self.activate = activate or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.activate(self.bn(self.conv(x)))


class MmactionResNet(nn.Module):
    """Network of mmaction2: ``backbone`` and ``cls_head.fc_cls``; TSN without ``frames``. See :class:`OfficialTsm`."""

    def __init__(
        self,
        classes: int,
        name: str,
        frames: int | None,
        *,
        place: str = "blockres",
        every: int = 1,
        pool: bool = False,
    ) -> None:
        super().__init__()
        self.backbone = net = torchvision.models.get_model(name, weights=None)
        assert isinstance(net, ResNet)
        self.cls_head = nn.ModuleDict({"fc_cls": nn.Linear(net.fc.in_features, classes)})
        blocks = {
            block: i for stage in (net.layer1, net.layer2, net.layer3, net.layer4) for i, block in enumerate(stage)
        }
        for at in (net, *blocks):
            for i in (1, 2, 3):
                if hasattr(at, f"conv{i}"):
                    conv = getattr(at, f"conv{i}")
                    if frames and place == "blockres" and i == 1 and at is not net and blocks[at] % every == 0:
                        conv = Shifted(conv, (frames + 1) // 2 if pool and at not in list(net.layer1) else frames)
                    setattr(at, f"conv{i}", ConvModule(conv, getattr(at, f"bn{i}")))
                    setattr(at, f"bn{i}", nn.Identity())
            if getattr(at, "downsample", None) is not None:
                at.downsample = ConvModule(*at.downsample)  # pyright: ignore
        for number, stage in enumerate((net.layer1, net.layer2, net.layer3, net.layer4)):
            for i in range(len(stage)) if frames and place == "block" else ():
                stage[i] = Shifted(stage[i], (frames + 1) // 2 if pool and number else frames)
        if frames and pool:
            net.layer2 = Pooled(net.layer2, frames)  # pyright: ignore[reportAttributeAccessIssue]
        net.fc = nn.Identity()  # pyright: ignore[reportAttributeAccessIssue]

    def forward(self, images: Tensor) -> Tensor:
        return self.cls_head["fc_cls"](self.backbone(images))
