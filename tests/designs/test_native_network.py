"""A small native 3D network with parallel branches, registered under a name without a backbone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spatempo.models import Build, Parts, register_design


class Inception3d(nn.Module):
    """A 1x1x1 and a 5x1x1 convolution in parallel: a reach of 2 frames in each direction."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.point = nn.Conv3d(in_channels, out_channels, 1)
        self.time = nn.Conv3d(in_channels, out_channels, (5, 1, 1), padding=(2, 0, 0))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(torch.cat([self.point(x), self.time(x)], 1))

    def temporal_paths(self) -> list[list[nn.Module]]:
        return [[self.point], [self.time]]


class Tiny3d(nn.Module):
    """Clips ``[B, 3, T, H, W]`` to maps ``[B, 16, ceil(T / 2), H / 4, W / 4]``."""

    num_features = 16

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(3, 8, 3, (1, 2, 2), 1, bias=False), nn.BatchNorm3d(8), nn.ReLU())
        self.pool = nn.MaxPool3d((3, 3, 3), (2, 2, 2), (1, 1, 1))
        self.mixed = nn.Sequential(Inception3d(8, 8), Inception3d(16, 8))

    def forward(self, clip: Tensor) -> Tensor:
        return self.mixed(self.pool(self.stem(clip)))

    def blocks(self) -> list[tuple[str, nn.Module]]:
        return [(f"mixed.{name}", block) for name, block in self.mixed.named_children()]

    def temporal_paths(self) -> list[list[nn.Module]]:
        return [[self.stem, self.pool, self.mixed]]


def test_a_design_with_a_native_network(check_design):
    @register_design("tiny3d", source="a test", sizes=("",), test_configurations={"": ("", {})})
    def tiny3d(build: Build) -> Parts:
        net = Tiny3d()
        return Parts(network=net, head=build.linear_head(net.num_features, pool="features"))

    model = check_design("tiny3d", frames=8)
    assert model.name == "tiny3d"
    # stem 1, pool 1, then twice 2 frames at stride 2
    assert model.reach == (1 + 1 + 2 * 2 + 2 * 2,) * 2
    model.set_grad_checkpointing()
    plain = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    model(torch.randn(2, 3, 8, 32, 32, generator=torch.Generator().manual_seed(1))).sum().backward()
    assert len(plain) == sum(p.grad is not None for p in model.parameters())
