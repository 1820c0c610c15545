"""TSM as the authors' released code computes it, written here for comparison in benchmarks.

Clips: frames folded in batch-major order, the shift by slice assignment into zeros. Streams: one frame at a time, the
ten shift buffers are arguments and results. Eager mode, float32, NCHW, batch norms not folded.
"""

from __future__ import annotations

from typing import Any

import torch
import torchvision
from torch import Tensor, nn


class Shift(nn.Module):
    """The shift of folded frames ``[B*T, C, H, W]``."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.frames = frames

    def forward(self, x: Tensor) -> Tensor:
        clip = x.view(-1, self.frames, *x.shape[1:])
        fold = x.shape[1] // 8
        out = torch.zeros_like(clip)
        out[:, :-1, :fold] = clip[:, 1:, :fold]
        out[:, 1:, fold : 2 * fold] = clip[:, :-1, fold : 2 * fold]
        out[:, :, 2 * fold :] = clip[:, :, 2 * fold :]
        return out.view(x.shape)


class ClipNet(nn.Module):
    """TSM-ResNet-50: clips ``[B, 3, T, H, W]`` to logits ``[B, K]``."""

    def __init__(self, weights: dict[str, Tensor], head: nn.Linear, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.net: Any = torchvision.models.resnet50(weights=None)
        _load(self.net, weights)
        for stage in (self.net.layer1, self.net.layer2, self.net.layer3, self.net.layer4):
            for block in stage:
                block.conv1 = nn.Sequential(Shift(frames), block.conv1)
        self.net.fc = head

    def forward(self, clip: Tensor) -> Tensor:
        logits = self.net(clip.transpose(1, 2).reshape(-1, *clip.shape[1:2], *clip.shape[3:]))
        return logits.view(-1, self.frames, logits.shape[1]).mean(1)


class OnlineNet(nn.Module):
    """The online MobileNetV2: a frame ``[B, 3, H, W]`` and ten buffers to logits ``[B, K]`` and the next buffers."""

    def __init__(self, weights: dict[str, Tensor], head: nn.Linear) -> None:
        super().__init__()
        net: Any = torchvision.models.mobilenet_v2(weights=None)
        _load(net, weights)
        self.features = net.features
        self.classifier = head

    def first_buffers(self, frame: Tensor) -> list[Tensor]:
        """Zeros, in the shapes for frames of this size."""
        return [torch.zeros_like(buffer) for buffer in self(frame)[1]]

    def forward(self, x: Tensor, *buffers: Tensor) -> tuple[Tensor, list[Tensor]]:
        kept: list[Tensor] = []
        for part in self.features:
            if getattr(part, "use_res_connect", False):
                fold = x.shape[1] // 8
                before = buffers[len(kept)] if buffers else torch.zeros_like(x[:, :fold])
                kept.append(x[:, :fold])
                x = x + part.conv(torch.cat([before, x[:, fold:]], 1))
            else:
                x = part(x)
        return self.classifier(x.mean((2, 3))), kept


def _load(net: nn.Module, weights: dict[str, Tensor]) -> None:
    keys = net.load_state_dict(weights, strict=False)
    assert all(key.startswith(("fc.", "classifier.")) for key in keys.missing_keys)
    assert not keys.unexpected_keys
