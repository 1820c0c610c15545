"""MobileNetV2 with the module structure of released code, for adapters; see :mod:`released_networks`."""

from __future__ import annotations

import torch
import torchvision
from released_networks import ConvModule, Shifted
from torch import Tensor, nn


class Residual(nn.Module):
    """An inverted residual block with its layers in one ``Sequential``."""

    def __init__(self, layers: list[nn.Module], shortcut: bool) -> None:
        super().__init__()
        self.conv = nn.Sequential(*layers)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.shortcut else self.conv(x)


class MmactionMobileNet(nn.Module):
    """mmaction2's MobileNetV2: stages ``layer1`` .. ``layer7`` of blocks of ConvModules; without ``frames`` a TSN."""

    def __init__(self, classes: int, frames: int | None) -> None:
        super().__init__()
        features = torchvision.models.mobilenet_v2(weights=None).features
        self.backbone = nn.Sequential()
        self.backbone.add_module("conv1", ConvModule(*features[0]))  # pyright: ignore
        at = 1
        for stage, blocks in enumerate((1, 2, 3, 4, 3, 3, 1), 1):
            made = []
            for block in features[at : at + blocks]:
                parts = list(block.conv)  # pyright: ignore
                layers = [*(ConvModule(*p) for p in parts[:-2]), ConvModule(*parts[-2:])]
                if frames and block.use_res_connect and len(layers) == 3:
                    layers[0] = Shifted(layers[0], frames)
                made.append(Residual(layers, bool(block.use_res_connect)))
            self.backbone.add_module(f"layer{stage}", nn.Sequential(*made))
            at += blocks
        self.backbone.add_module("conv2", ConvModule(*features[18]))  # pyright: ignore
        self.cls_head = nn.ModuleDict({"fc_cls": nn.Linear(1280, classes)})

    def forward(self, images: Tensor) -> Tensor:
        return self.cls_head["fc_cls"](self.backbone(images).mean((2, 3)))


class OfficialMobileNet(nn.Module):
    """mit-han-lab's MobileNetV2 in ``base_model``, with flat blocks; without ``frames`` a TSN."""

    def __init__(self, classes: int, frames: int | None) -> None:
        super().__init__()
        self.base_model = nn.Module()
        self.base_model.features = flat_mobilenet()
        self.new_fc = nn.Linear(1280, classes)
        for block in self.base_model.features:
            if frames and isinstance(block, Residual) and block.shortcut and len(block.conv) == 8:
                block.conv[0] = Shifted(block.conv[0], frames)

    def forward(self, images: Tensor) -> Tensor:
        for part in self.base_model.features:  # pyright: ignore[reportGeneralTypeIssues]
            images = part(images)
        return self.new_fc(images.mean((2, 3)))


def flat_mobilenet() -> nn.ModuleList:
    """The parts of torchvision's MobileNetV2, with the layers of each block in one ``Sequential``."""
    features = torchvision.models.mobilenet_v2(weights=None).features
    parts = nn.ModuleList([features[0]])
    for block in features[1:18]:
        layers = [layer for part in block.conv for layer in (part if isinstance(part, nn.Sequential) else [part])]  # pyright: ignore
        parts.append(Residual(layers, bool(block.use_res_connect)))
    parts.append(features[18])
    return parts


class OnlineMobileNet(nn.Module):
    """Network of the online demo: flat blocks, one frame at a time; ten blocks use a fold of the previous frame."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = flat_mobilenet()
        self.classifier = nn.Linear(1280, classes)

    def forward(self, x: Tensor, past: list[Tensor] | None = None) -> tuple[Tensor, list[Tensor]]:
        kept: list[Tensor] = []
        for part in self.features:
            if isinstance(part, Residual) and part.shortcut:
                fold = x.shape[1] // 8
                before = torch.zeros_like(x[:, :fold]) if past is None else past[len(kept)]
                kept.append(x[:, :fold])
                x = x + part.conv(torch.cat([before, x[:, fold:]], 1))
            else:
                x = part(x)
        return self.classifier(x.mean((2, 3))), kept
