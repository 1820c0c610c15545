"""Models for optical flow and for differences of frames."""

from __future__ import annotations

import warnings

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from spatempo.errors import SpatempoError
from spatempo.inputs.spec import Preprocess
from spatempo.models.checkpoint import load, save_checkpoint
from spatempo.models.first_conv import first_conv, repeat_mean
from spatempo.models.info import count_params
from spatempo.models.registry import create_model

BACKBONES = {  # name of the first convolution
    "resnet50": "conv1",
    "mobilenet_v2": "features.0.0",
    "convnext_tiny": "features.0.0",
    "regnet_y_800mf": "stem.0",
    "timm/tf_efficientnet_b0": "conv_stem",
    "timm/regnety_002": "stem.conv",
    "bninception": "conv1_7x7_s2",
    "inception_v3": "conv_Conv2D",
    "smallresnet": "conv1",
}


def weights_file(folder, backbone: str = "resnet18"):
    torch.manual_seed(3)
    weights = torchvision.models.get_model(backbone, weights=None).state_dict()
    save_file(weights, folder / "w.safetensors")
    (folder / "w.json").write_text('{"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.1]}')
    return weights, str(folder / "w.safetensors")


def test_a_kernel_for_flow_by_hand():
    """Two filters of one pixel: the mean of (3, 6, 9) is 6, and of (1, 1, -2) it is 0, without rescaling."""
    kernel = torch.tensor([[3.0, 6.0, 9.0], [1.0, 1.0, -2.0]]).view(2, 3, 1, 1)
    assert repeat_mean(kernel, 4).flatten(1).tolist() == [[6, 6, 6, 6], [0, 0, 0, 0]]


@pytest.mark.parametrize(("modality", "channels"), [("flow", 10), ("rgbdiff", 15)])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_only_the_first_convolution_changes(backbone, modality, channels):
    with torch.device("meta"):
        rgb = create_model("tsn", backbone=backbone, num_classes=7)
        other = create_model("tsn", backbone=backbone, num_classes=7, modality=modality)
    name, conv = first_conv(other.backbone)
    assert name == BACKBONES[backbone]
    assert conv.in_channels == other.preprocess.channels == channels
    assert type(conv) is type(rgb.backbone.get_submodule(name))
    old, new = rgb.state_dict(), other.state_dict()
    assert old.keys() == new.keys()
    assert [k for k in old if old[k].shape != new[k].shape] == [f"backbone.{name}.weight"]
    kernel = conv.weight[:, 0].numel()
    assert count_params(other) - count_params(rgb) == (channels - 3) * kernel
    size = other.preprocess.size
    assert other.eval()(torch.empty(2, channels, 3, size, size, device="meta")).shape == (2, 7)


def test_figures_of_tsn_resnet50_by_hand():
    """RGB has 24.33 M (400 classes). Each further channel adds 7 x 7 x 64: 21,952 for 10 channels, 37,632 for 15."""
    with torch.device("meta"):
        counts = {m: count_params(create_model("tsn_resnet50", modality=m)) for m in ("rgb", "flow", "rgbdiff")}
    assert counts == {"rgb": 24_327_632, "flow": 24_349_584, "rgbdiff": 24_365_264}


@pytest.mark.parametrize(("modality", "channels"), [("flow", 10), ("rgbdiff", 15)])
def test_image_weights_are_converted_to_the_modality(tmp_path, modality, channels):
    weights, path = weights_file(tmp_path)
    model = create_model("tsm_resnet18", num_classes=5, modality=modality, pretrained=path)
    kernel = model.backbone.conv1.weight
    assert kernel.shape == (64, channels, 7, 7)
    want = weights["conv1.weight"].mean(1)
    assert all(torch.equal(kernel[:, c], want) for c in range(channels))
    others = model.backbone.state_dict()
    assert all(torch.equal(others[k], v) for k, v in weights.items() if k in others and k != "conv1.weight")
    if modality == "flow":
        assert model.preprocess.mean == (0.5, 0.5)
        assert model.preprocess.std == pytest.approx((0.2, 0.2))  # the mean of .2, .3 and .1
    else:
        assert (model.preprocess.mean, model.preprocess.std) == ((0, 0, 0), (1, 1, 1))


def test_the_first_convolution_of_flow_on_equal_channels(tmp_path):
    """With 10 equal channels the first convolution gives 10 / 3 of the image network's output on a grey image."""
    _, path = weights_file(tmp_path)
    flow = create_model("tsn_resnet18", modality="flow", pretrained=path).backbone.conv1
    rgb = create_model("tsn_resnet18", pretrained=path).backbone.conv1
    grey = torch.randn(1, 1, 20, 20)
    torch.testing.assert_close(flow(grey.expand(1, 10, 20, 20)), rgb(grey.expand(1, 3, 20, 20)) * 10 / 3)


def test_random_initialisation_has_independent_channels():
    """With repeated channels, a network would see only the sum of x and y."""
    torch.manual_seed(0)
    rgb, flow = (create_model("tsn_resnet18", modality=m).backbone.conv1.weight for m in ("rgb", "flow"))
    assert not torch.allclose(flow[:, 0], flow[:, 1], atol=0.01)
    assert float(flow.std() / rgb.std()) == pytest.approx(1, abs=0.05)


def test_weights_of_a_flow_network_load_unchanged(tmp_path):
    """The official TSM flow checkpoint (Kinetics) has a 10-channel kernel."""
    weights, _ = weights_file(tmp_path)
    weights["conv1.weight"] = torch.randn(64, 10, 7, 7)
    official = {f"module.base_model.{k}": v for k, v in weights.items() if not k.startswith("fc.")}
    torch.save({"state_dict": official}, tmp_path / "flow.pth")
    with pytest.warns(UserWarning, match="ImageNet"):
        model = create_model("tsm_resnet18", num_classes=4, modality="flow", pretrained=str(tmp_path / "flow.pth"))
    assert torch.equal(model.backbone.conv1.weight, weights["conv1.weight"])
    assert model.preprocess.mean == (0.5, 0.5)
    assert model.preprocess.std == pytest.approx((0.226, 0.226))  # TSM: the mean of ImageNet's std
    with pytest.raises(SpatempoError, match=r"1 weight with a wrong shape \(conv1.weight\)"):
        create_model("tsm_resnet18", num_classes=4, pretrained=str(tmp_path / "flow.pth"))


def test_checkpoints_store_the_modality_and_can_be_used_for_another(tmp_path):
    model = create_model("tsm", backbone="smallresnet", num_classes=3, modality="flow", stack=2, causal=True, size=32)
    kept = load(save_checkpoint(model, tmp_path / "flow")).eval()
    assert kept.preprocess == model.preprocess
    assert (kept.preprocess.modality, kept.preprocess.channels, kept.preprocess.span) == ("flow", 4, 2)
    clip = torch.randn(2, 4, 3, 32, 32)
    assert torch.equal(kept(clip), model.eval()(clip))
    again = create_model("tsm_smallresnet", num_classes=3, modality="flow", stack=2, pretrained=str(tmp_path / "flow"))
    assert torch.equal(again.backbone.conv1.weight, model.backbone.conv1.weight)
    assert again.preprocess.std == model.preprocess.std

    rgb = create_model("tsm_smallresnet", num_classes=3)
    save_checkpoint(rgb, tmp_path / "rgb")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        flow = create_model("tsm_smallresnet", num_classes=3, modality="flow", pretrained=str(tmp_path / "rgb"))
    assert torch.equal(flow.backbone.conv1.weight[:, 9], rgb.backbone.conv1.weight.mean(1))
    assert torch.equal(flow.head.fc.weight, rgb.head.fc.weight)


def test_frame_by_frame_equals_the_whole_clip():
    torch.manual_seed(1)
    model = create_model("tsm_smallresnet", num_classes=3, modality="flow", causal=True, size=32).eval()
    clip = torch.randn(2, 10, 4, 32, 32)
    state = model.init_state(2)
    for t in range(4):
        logits, state = model.step(clip[:, :, t : t + 1], state)
    torch.testing.assert_close(logits, model(clip))


@pytest.mark.parametrize("name", ["r2plus1d_18", "r2d_18", "mc3_18"])
def test_native_networks_take_one_field_per_frame(tmp_path, name):
    """As in R(2+1)D's flow stream: 2 channels, one field per frame."""
    model = create_model(name, num_classes=3, width=8, modality="flow").eval()
    assert (model.preprocess.channels, model.preprocess.span) == (2, 1)
    assert first_conv(model.backbone)[1].in_channels == 2
    assert model(torch.randn(1, 2, 8 if name == "r2d_18" else 4, 32, 32)).shape == (1, 3)
    if name == "mc3_18":  # image weights: the mean kernel, inflated over time
        weights, path = weights_file(tmp_path)
        stem = create_model(name, num_classes=3, modality="flow", pretrained=path).backbone.stem[0].weight
        assert stem.shape == (64, 2, 3, 7, 7)
        torch.testing.assert_close(stem.sum(2), weights["conv1.weight"].mean(1, keepdim=True).expand(-1, 2, -1, -1))


def test_invalid_modalities_and_clips_are_refused():
    model = create_model("tsn_smallresnet", num_classes=3, modality="flow")
    with pytest.raises(
        SpatempoError, match=r"a clip must be \[B, 10, T, H, W\] \(5 x flow x, y\), got shape \(1, 3, 2,"
    ):
        model(torch.zeros(1, 3, 2, 32, 32))
    with pytest.raises(SpatempoError, match="modality 'smell' is not known"):
        create_model("tsn_smallresnet", modality="smell")

    model.backbone = nn.Sequential(nn.Conv2d(10, 4, 1))
    assert first_conv(model.backbone)[0] == "0"
    with pytest.raises(SpatempoError, match="no convolution"):
        first_conv(nn.Sequential(nn.Linear(2, 2)))


def test_rgb_is_the_default():
    assert create_model("tsn_smallresnet").preprocess == Preprocess()
    torch.manual_seed(5)
    plain = create_model("tsn_smallresnet")
    torch.manual_seed(5)
    named = create_model("tsn_smallresnet", modality="rgb")
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), named.parameters(), strict=True))


@pytest.mark.parametrize("name", ["tsn_resnet18", "mc3_18"])
def test_a_still_clip_of_stacks_gives_the_values_of_the_image_network(tmp_path, name):
    """The kernel is repeated for each of the five frames and divided by 5."""
    weights, path = weights_file(tmp_path)
    one, five = (create_model(name, num_classes=3, pretrained=path, stack=n, size=32).eval() for n in (None, 5))
    assert (five.preprocess.channels, five.preprocess.mean) == (15, (0.4, 0.5, 0.6))
    clip = torch.randn(1, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    got, want = five.forward_features(clip.repeat(1, 5, 1, 1, 1)), one.forward_features(clip)
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)
    kernel = first_conv(five.backbone)[1].weight
    first = weights["conv1.weight"] / 5
    torch.testing.assert_close(kernel[:, 9:12] if kernel.ndim == 4 else kernel[:, 9:12].sum(2), first)


def test_an_rgb_checkpoint_as_initial_weights_for_stacks(tmp_path):
    rgb = create_model("tsm_smallresnet", num_classes=3)
    save_checkpoint(rgb, tmp_path)
    stacked = create_model("tsm_smallresnet", num_classes=3, stack=4, pretrained=str(tmp_path))
    assert torch.equal(stacked.backbone.conv1.weight[:, 3:6], rgb.backbone.conv1.weight / 4)
    assert create_model("tsm_smallresnet", modality="rgb").preprocess == Preprocess()
