"""STH in whole networks: exact figures, replaced convolutions, image weights, and p = 0, which is the 2D network."""

from __future__ import annotations

import copy
import re

import pytest
import torch
import torchvision
from networks import assert_close, clips, frames_seen, small
from safetensors.torch import save_file
from torch import nn

from spatempo.errors import SpatempoError
from spatempo.models.info import count_macs, count_params, describe
from spatempo.models.registry import create_model, list_models
from spatempo.models.video_model import VideoModel
from spatempo.operators.base import Reach
from spatempo.operators.sth import kernels_from_image
from spatempo.operators.sth_conv import SthConv2d, watch_attention

# --- figures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "classes", "params", "gmacs"),
    [
        ({"integration": "sum"}, 174, 21_978_350, 30.23),
        ({"integration": "sum", "form": "merge"}, 174, 21_978_350, 30.23),
        ({}, 174, 23_239_598, 30.24),  # 30.2337, and 0.0025 for the attention
        ({"integration": "sum", "p": "1/8"}, 174, 22_921_454, 31.47),
        ({"p": 1 / 8}, 174, 24_182_702, 31.47),
        ({"integration": "sum", "p": 0.5}, 174, 20_092_142, 27.77),
        ({"p": 0}, 174, 23_864_558, 32.70),
        ({"integration": "sum"}, 400, 22_441_424, 30.24),
        ({}, 400, 23_702_672, 30.24),
    ],
)
def test_figures_of_resnet50(options, classes, params, gmacs):
    with torch.device("meta"):
        model = create_model("sth_resnet50", num_classes=classes, **options)
    assert count_params(model) == params
    assert round(count_macs(model, 8, 224) / 1e9, 2) == gmacs
    assert len(model.plugged) == (0 if options.get("p") == 0 else 16)


def test_every_stored_weight_is_used():
    """Checkpoints contain no masked kernels: every parameter has a gradient."""
    model = small("sth_smallresnet")
    model(clips()).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        if name.endswith("attention.fc.bias"):
            continue  # the same for both branches, so it has no effect
        assert (parameter.grad != 0).float().mean() > 0.9, name


def test_info_compares_published_figures_with_ours():
    facts = describe("sth_resnet50", integration="sum")
    assert facts.temporal_receptive_field == 33
    rows = facts.published
    ours = {row["params"]: row["ours"]["params"] for row in rows}
    assert ours[23.2e6] == 23_239_598
    assert ours[22.0e6] == 21_978_350
    assert ours[24.4e6] == 23_864_558  # p = 0, a misprint in table 6
    assert all(row["ours"]["macs"] == pytest.approx(row["macs"], rel=0.03) for row in rows)


# --- replaced convolutions -------------------------------------------------------------------------------------------


def test_all_3x3_convolutions_of_residual_blocks_are_replaced():
    with torch.device("meta"):
        deep, shallow = create_model("sth_resnet50", num_classes=2), create_model("sth_resnet18", num_classes=2)
        timm = create_model("sth", backbone="timm/resnet50", num_classes=2)
    sizes = [m.kernel_size for m in deep.modules() if isinstance(m, nn.Conv2d)]
    assert set(sizes) == {(1, 1), (7, 7)}
    replaced = [n for n, m in deep.named_modules() if isinstance(m, SthConv2d)]
    assert len(replaced) == 16
    assert all(n.endswith(".conv2") for n in replaced)
    strides = [m.stride for m in deep.modules() if isinstance(m, SthConv2d)]
    assert strides == [1, 1, 1, 2, 1, 1, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1]
    assert timm.plugged == deep.plugged
    assert shallow.plugged[2].startswith("layer1.1.conv1 replace: SthConv2d(64, 64, stride=1")
    assert shallow.plugged[4].startswith("layer2.0.conv1 replace: SthConv2d(64, 128, stride=2")
    assert len(shallow.plugged) == 16
    assert not any("\n" in line for line in deep.plugged)
    assert {"sth_resnet18", "sth_resnet50", "sth_resnet101"} <= set(list_models("sth_*"))


@pytest.mark.parametrize(
    ("backbone", "options", "message"),
    [
        ("resnext50", {}, "layer1.0.conv2 has 32 groups"),
        ("mobilenet_v2", {}, "InvertedResidual.*use a ResNet"),
        ("regnet_x_400mf", {}, "ResBottleneckBlock.*use a ResNet"),
        ("timm/densenet121", {}, "no residual blocks"),
        ("resnet18", {"p": 0.3}, "p must be 0 or a unit fraction"),
        ("resnet18", {"p": "1/3"}, r"layer1\.0\.conv1: p = 1/3 .* 64"),
        ("resnet18", {"form": "mixed"}, "form"),
        ("resnet18", {"integration": "mean"}, "integration"),
        ("resnet18", {"init": "zero"}, "init"),
        ("resnet18", {"causal": True}, "causal"),
    ],
)
def test_invalid_options_are_reported_in_one_line(backbone, options, message):
    with pytest.raises(SpatempoError, match=message) as error, torch.device("meta"):
        create_model("sth", backbone=backbone, **options)
    assert "\n" not in str(error.value)


# --- p = 0 and image weights -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"form": "merge", "integration": "sum"}])
@torch.no_grad()
def test_p_0_is_exactly_the_2d_network(options):
    tsn = small("tsn_smallresnet")
    sth = create_model("sth_smallresnet", num_classes=3, p=0, **options).eval()
    assert list(sth.state_dict()) == list(tsn.state_dict())
    assert sth.plugged == []
    sth.load_state_dict(tsn.state_dict())
    assert torch.equal(sth(clips()), tsn(clips()))


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """Weights of torchvision's ResNet-18 with random batch norms, and their file."""
    net = torchvision.models.resnet18(weights=None)
    generator = torch.Generator().manual_seed(0)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.running_mean.uniform_(-0.2, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    path = tmp_path_factory.mktemp("image") / "resnet18.safetensors"
    save_file(net.state_dict(), path)
    return net.state_dict(), path


def from_file(path: object, **options: object) -> VideoModel:
    return create_model(
        "sth_resnet18", num_classes=3, pretrained=str(path), mean=(0.5,) * 3, std=(0.5,) * 3, **options
    ).eval()  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("options", [{}, {"form": "merge", "integration": "sum", "init": "shift", "p": "1/8"}])
def test_image_weights_of_replaced_convolutions_are_converted(image, options):
    weights, path = image
    model = from_file(path, **options)
    kept = model.backbone.state_dict()
    for name, module in model.backbone.named_modules():
        if isinstance(module, SthConv2d):
            groups, form, init = (8, "merge", "shift") if options else (4, "hybrid", "sum")
            spatial, temporal = kernels_from_image(weights[f"{name}.weight"], groups, form, init)
            assert torch.equal(kept.pop(f"{name}.spatial_weight"), spatial)
            assert torch.equal(kept.pop(f"{name}.temporal_weight"), temporal)
            if not options:
                assert not kept.pop(f"{name}.attention.fc.weight").any()
                assert not kept.pop(f"{name}.attention.fc.bias").any()
    assert len(model.plugged) == 16
    assert all(torch.equal(value, weights[key]) for key, value in kept.items())
    assert len(kept) == len(weights) - 16 - 2  # without the replaced convolutions and the classifier


@torch.no_grad()
def test_attention_starts_as_the_sum_with_frozen_batch_norms(image):
    attention, plain = from_file(image[1]), from_file(image[1], integration="sum")
    halved = from_file(image[1], scale=1)
    for model in (attention, halved):
        model.head.load_state_dict(plain.head.state_dict())
    clip = clips(4, size=64)
    assert_close(attention(clip), plain(clip))
    assert (halved(clip) - plain(clip)).abs().max() > 0.05 * plain(clip).abs().max()
    # in training mode batch norms remove the factor
    features = [m.train().forward_features(clip) for m in (halved, plain)]
    torch.testing.assert_close(*features, rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_image_weights_at_p_0_give_the_image_network(image):
    weights, path = image
    model = from_file(path, p=0)
    net = torchvision.models.resnet18(weights=None).eval()
    net.load_state_dict(weights)
    net.fc = nn.Identity()  # pyright: ignore[reportAttributeAccessIssue]
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(model.forward_features(x.unsqueeze(2)).mean((2, 3, 4)), net(x))


def test_the_error_uses_the_key_names_of_the_file(image, tmp_path):
    weights, _ = image
    cases = {
        r"lacks 1 weight \(layer1.0.conv1.weight\)": {k: v for k, v in weights.items() if k != "layer1.0.conv1.weight"},
        r"has 1 unknown weight \(layer9.weight\)": {**weights, "layer9.weight": torch.ones(1)},
        r"has 1 weight with a wrong shape \(layer1.0.conv1.weight\)": {
            **weights,
            "layer1.0.conv1.weight": torch.ones(64, 48, 3, 3),
        },
        r"has 1 unknown weight \(layer1.0.conv1.spatial_weight\)": {
            **weights,
            "layer1.0.conv1.spatial_weight": torch.ones(64, 48, 3, 3),
        },
    }
    for message, broken in cases.items():
        save_file(broken, tmp_path / "w.safetensors")
        with pytest.raises(SpatempoError, match=message):
            from_file(tmp_path / "w.safetensors")


# --- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("integration", "reach"), [("sum", Reach(10, 10)), ("attention", None)])
def test_the_temporal_receptive_field_by_gradient(integration, reach):
    """Ten convolutions reach ten frames in each direction; attention pools over the whole clip."""
    model = small("sth_smallresnet", integration=integration).double()
    assert model.reach == reach
    assert frames_seen(model, 23, at=11) == (list(range(1, 22)) if reach else list(range(23)))


@torch.no_grad()
def test_attention_values_by_layer():
    model = small("sth_smallresnet")
    with watch_attention(model) as seen:
        model(clips())
        copy.deepcopy(model)
    assert list(seen)[:3] == [f"backbone.layer{s}" for s in ("1.0.conv1", "1.0.conv2", "2.0.conv1")]
    assert len(seen) == 10
    for values in seen.values():
        assert values.shape[:2] == (2, 2)
        torch.testing.assert_close(values.sum(1), torch.ones_like(values[:, 0]))
    temporal = [float(v[:, 1].mean()) for v in seen.values()]  # figure 5 of the paper
    assert all(0 < weight < 1 for weight in temporal)
    assert not any(m._forward_hooks for m in model.modules())


def test_a_bfloat16_network_gives_bfloat16():
    assert small("sth_smallresnet").bfloat16()(clips().bfloat16()).dtype == torch.bfloat16


def test_has_no_causal_form():
    with pytest.raises(SpatempoError, match="future frames"):
        create_model("sth_smallresnet").init_state()
    with pytest.raises(SpatempoError, match=re.escape("causal")):
        create_model("sth_smallresnet", causal=True)
