"""A design like ECO: a truncated 2D network, a 3D network on its feature maps, and tapped early outputs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from spatempo import SpatempoError, create_model
from spatempo.models import Build, Parts, cut_after, register_design, split_after, tap
from spatempo.operators import ForwardContext


class Tail(nn.Module):
    """3D network from frame maps ``[B, 64, T, H, W]`` to clip maps ``[B, 16 + 32, T', H', W']``."""

    def __init__(self, context: ForwardContext) -> None:
        super().__init__()
        self.context = context
        self.conv = nn.Sequential(nn.Conv3d(64, 16, 3, (2, 2, 2), 1, bias=False), nn.BatchNorm3d(16), nn.ReLU())

    def forward(self, maps: Tensor) -> Tensor:
        clip = self.conv(maps)
        early = self.context.tapped["layer1"].unflatten(0, (maps.shape[0], -1)).transpose(1, 2)
        pooled = early.mean((2, 3, 4), keepdim=True).expand(-1, -1, *clip.shape[2:])
        return torch.cat([clip, pooled], 1)


def test_a_2d_trunk_with_a_3d_tail(check_design, tmp_path):
    @register_design("stacked", source="a test", backbones=("smallresnet", "resnet18"))
    def stacked(build: Build) -> Parts:
        cut_after(build, "layer2")
        tap(build, "layer1")
        return Parts(head=build.linear_head(16 + 32), feature_maps=Tail(build.context))

    model = check_design("stacked_smallresnet", frames=8, any_frames=False)
    assert not any(name.startswith("backbone.layer3") for name in model.state_dict())
    assert any(name.startswith("tail.") for name in model.state_dict())
    # weights of the image network still load: removed layers are ignored, new layers keep their initialisation
    whole = create_model("tsn_smallresnet", num_classes=5)
    weights = {name.removeprefix("backbone."): w for name, w in whole.state_dict().items() if "backbone" in name}
    torch.save(weights, tmp_path / "image.pth")
    loaded = create_model("stacked_smallresnet", pretrained=str(tmp_path / "image.pth"), mean=(0.5,) * 3, std=(1,) * 3)
    assert torch.equal(loaded.backbone.conv1.weight, whole.backbone.conv1.weight)
    assert "layer2.0" in dict(loaded.backbone.named_modules())


@pytest.mark.parametrize(
    ("backbone", "layer"),
    [
        ("smallresnet", "layer2.0"),
        ("resnet18", "layer3"),
        ("mobilenet_v2", "features.6"),
        ("bninception", "inception_3c"),
    ],
)
@torch.no_grad()
def test_a_split_network_equals_the_whole_network(backbone, layer):
    seen: list[Tensor] = []

    @register_design("parted", source="a test")
    def parted(build: Build) -> None:
        first, rest = split_after(build, layer)
        images = torch.randn(2, 3, 64, 64)
        build.net.eval()
        seen.extend([rest(build.net, first(build.net, images)), build.maps(build.net, images)])
        with pytest.raises(SpatempoError, match=r"no layer 'layer9'.*it has"):
            split_after(build, "layer9")

    create_model("parted", backbone=backbone)
    assert torch.equal(seen[0], seen[1])
