"""Image weights in the networks of the R(2+1)D paper, compared with the image network."""

from __future__ import annotations

import json

import pytest
import timm
import torch
import torchvision
from networks import clips
from released_networks import randomise
from safetensors.torch import save_file
from torch import nn

from spatempo.errors import SpatempoError
from spatempo.models.native.from_image import from_image
from spatempo.models.registry import create_model


def image_network(net: nn.Module) -> nn.Module:
    randomise(net, torch.randn(4, 3, 64, 64))
    return net


@torch.no_grad()
def test_f_r2d_with_image_weights_equals_the_image_network_on_each_frame(tmp_path):
    image = image_network(torchvision.models.resnet18(weights=None))
    save_file(image.state_dict(), tmp_path / "w.safetensors")
    with pytest.warns(UserWarning, match="ImageNet's are used"):
        ours = create_model(
            "fr2d_18", stem_pool=True, num_classes=1000, pretrained=str(tmp_path / "w.safetensors")
        ).eval()
    ours.head.fc.load_state_dict(image.fc.state_dict())
    x = clips(3, size=64)
    want = torch.stack([image(x[:, :, t]) for t in range(3)], 1)
    torch.testing.assert_close(ours.forward_frames(x), want, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("training", [False, True])
def test_r2plus1d_50_blocks_with_image_weights_equal_the_image_blocks(tmp_path, training):
    """Except the stem: spatial convolutions with w and -w, ReLU, and their difference equal the convolution with w."""
    image = image_network(torchvision.models.resnet50(weights=None))
    ours = create_model("r2plus1d_50", num_classes=2)
    converted = from_image(ours.backbone, image.state_dict())
    ours.backbone.load_state_dict(converted, strict=True)
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
    image = image_network(torchvision.models.resnet18(weights=None))
    # a stem of rank 20, which the 22 components of 45 channels represent exactly
    basis = torch.randn(20, 3, 7, 7, generator=torch.Generator().manual_seed(1)) * 0.05
    image.conv1.weight.copy_(torch.einsum("ok,kcyx->ocyx", torch.randn(64, 20), basis))
    still = clips(1).expand(-1, -1, 5, -1, -1)
    want = image.conv1(still[:, :, 0])
    r3d, r2plus1d = create_model("r3d_18", num_classes=2).eval(), create_model("r2plus1d_18", num_classes=2).eval()
    for model in (r3d, r2plus1d):
        model.backbone.load_state_dict(from_image(model.backbone, image.state_dict()), strict=True)
    torch.testing.assert_close(r3d.backbone.stem[0](still)[:, :, 2], want, rtol=1e-4, atol=1e-4)
    got = r2plus1d.backbone.stem[:4](still)
    torch.testing.assert_close(got[:, :, 2], want, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(got[:, :, 0], want, rtol=1e-3, atol=1e-3)  # depends only on the current frame


def test_image_weights_of_another_depth_are_refused(tmp_path):
    save_file(torchvision.models.resnet34(weights=None).state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(SpatempoError, match=r"unknown weight|lacks"):
        create_model("r3d_18", pretrained=str(tmp_path / "w.safetensors"))


def test_image_networks_with_similar_keys_are_recognised(tmp_path):
    """timm's ConvNeXt has a stem.0, its RegNet a head.fc."""
    for name in ("convnext_atto", "regnety_002"):
        net = timm.create_model(name)
        save_file(net.state_dict(), tmp_path / "w.safetensors")
        (tmp_path / "w.json").write_text(json.dumps({"mean": [0.5] * 3, "std": [0.5] * 3}))
        create_model("tsn", backbone=f"timm/{name}", num_classes=2, pretrained=str(tmp_path / "w.safetensors"))
