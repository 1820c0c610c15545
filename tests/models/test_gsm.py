"""GSM and GSF in whole networks: exact figures, and the published placement of gates."""

from __future__ import annotations

import pytest
import torch
from networks import assert_close, clips, randomise, small
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from spatempo.errors import SpatempoError
from spatempo.models.info import count_macs, count_params, describe
from spatempo.models.registry import create_model, list_models
from spatempo.models.video_model import VideoModel
from spatempo.operators.gate_shift import GateShift


def gated_channels(name: str, **options: object) -> dict[str, int]:
    """Number of gated channels by the name of the gated module."""
    with torch.device("meta"):
        model = create_model(name, num_classes=2, **options)  # pyright: ignore[reportArgumentType]
    gates = {n: m.channels for n, m in model.named_modules() if isinstance(m, GateShift)}
    return {n.removeprefix("backbone.").removesuffix(".temporal"): channels for n, channels in gates.items()}


# --- figures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "params", "gmacs"),
    [
        ("gsm_bninception", {}, 10_499_650, 16.339),
        ("gsm_inception_v3", {}, 22_207_586, 26.693),
        ("gsm_resnet50", {}, 23_959_710, 33.003),
        ("gsm_resnet50", {"placement": "conv3"}, 23_974_094, 32.998),
        ("gsm_resnet50", {"placement": "conv3", "ratio": 100}, 24_302_606, 33.892),
        ("gsf_resnet50", {}, 23_974_702, 32.999),
        ("gsf_resnet50", {"ratio": 100}, 24_303_214, 33.894),
    ],
)
def test_figures(name, options, params, gmacs):
    with torch.device("meta"):
        model = create_model(name, num_classes=174, **options)
    assert count_params(model) == params
    assert round(count_macs(model, 8, model.preprocess.size) / 1e9, 3) == gmacs


def also_counted(model: VideoModel, frames: int, size: int) -> int:
    """Operations that the paper counts too: 2 per element of a batch norm, 1 per ReLU, 1 per pooled element."""
    total = 0

    def count(module: nn.Module, inputs: tuple[torch.Tensor, ...], out: torch.Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.BatchNorm2d):
            total += 3 * out.numel()  # every batch norm is followed by a ReLU
        elif isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
            total += inputs[0].numel()

    for module in model.modules():
        module.register_forward_hook(count)
    with torch.no_grad():
        maps = model.eval().forward_features(torch.empty(1, 3, frames, size, size, device="meta"))
    return total + maps.numel()


@pytest.mark.parametrize(
    ("name", "frames", "printed"),
    [
        ("tsn_bninception", 16, 32.73),
        ("gsm_bninception", 8, 16.46),
        ("gsm_bninception", 16, 32.92),
        ("gsm_inception_v3", 8, 26.85),
        ("gsm_inception_v3", 16, 53.70),
    ],
)
def test_the_papers_gflops_include_elementwise_operations(name, frames, printed):
    with torch.device("meta"):
        model = create_model(name, num_classes=174)
    size = model.preprocess.size
    macs = count_macs(model, frames, size)
    assert round((macs + also_counted(model, frames, size)) / 1e9, 2) == printed


def test_info_compares_published_figures_with_ours():
    rows = describe("gsm_resnet50", num_classes=174).published
    assert [row["ours"]["params"] for row in rows] == [row["params"] for row in rows]
    rows = describe("gsm_inception_v3", num_classes=174).published
    assert [row["size"] for row in rows] == [229] * 2
    assert all(row["ours"]["macs"] == pytest.approx(row["macs"], rel=0.01) for row in rows if row["macs"])


# --- placement -------------------------------------------------------------------------------------------------------


def test_the_ten_gates_of_bninception():
    want = {"3a_1x1": 64, "3b_1x1": 64, "3c_3x3_reduce": 128, "4a_1x1": 224, "4b_1x1": 192, "4c_1x1": 160}
    want |= {"4d_1x1": 96, "4e_3x3_reduce": 128, "5a_1x1": 352, "5b_1x1": 352}
    want = {f"inception_{k}": v for k, v in want.items()}
    assert gated_channels("gsm_bninception") == want
    assert gated_channels("gsf_bninception") == want
    assert gated_channels("gsm_bninception", ratio=25)["inception_4a_1x1"] == 56


def test_the_ten_gates_of_inception_v3_and_the_eleven_of_gsf():
    tower = {"mixed_conv": 64, "mixed_1_conv": 64, "mixed_2_conv": 64, "mixed_3_tower_conv": 64, "mixed_4_conv": 192}
    tower |= {"mixed_5_conv": 192, "mixed_7_conv": 192, "mixed_8_tower_conv": 192, "mixed_9_conv": 320}
    gsm = {f"{k}_Conv2D": v for k, v in (tower | {"mixed_10_conv": 320}).items()}
    assert gated_channels("gsm_inception_v3") == gsm
    gsf = {k: v for k, v in gsm.items() if "_3_" not in k} | {"mixed_3_conv_Conv2D": 384, "mixed_6_conv_Conv2D": 192}
    assert gated_channels("gsf_inception_v3") == gsf


def test_the_gates_of_residual_backbones():
    quarters = [16, 64, 64, 64, 128, 128, 128, 128, *[256] * 5, 256, 512, 512]
    blocks = [f"layer{s + 1}.{b}" for s, n in enumerate((3, 4, 6, 3)) for b in range(n)]
    assert gated_channels("gsm_resnet50") == {f"{b}.conv1": c for b, c in zip(blocks, quarters, strict=True)}
    conv3 = [64] * 3 + [128] * 4 + [256] * 6 + [512] * 3
    assert gated_channels("gsf_resnet50") == {f"{b}.conv3": c for b, c in zip(blocks, conv3, strict=True)}
    assert gated_channels("gsm_resnet50", placement="conv3") == gated_channels("gsf_resnet50")
    assert gated_channels("gsm", backbone="timm/resnet50") == gated_channels("gsm_resnet50")
    assert set(gated_channels("gsm_resnet18", placement="conv3")) == {
        f"layer{s}.{b}.conv2" for s in (1, 2, 3, 4) for b in (0, 1)
    }
    # E2E-Spot follows TSM's rule for networks as deep as ResNet-101; GSF has a gate in every block
    seconds = {f"layer{s + 1}.{b}.conv1" for s, n in enumerate((3, 4, 23, 3)) for b in range(0, n, 2)}
    assert set(gated_channels("gsm_resnet101")) == seconds
    for options, count in (({"every": 1}, 33), ({"every": 3}, 12), ({"placement": "conv3"}, 33)):
        assert len(gated_channels("gsm_resnet101", **options)) == count
    assert len(gated_channels("gsf_resnet101")) == 33
    assert set(gated_channels("gsm_resnet50", every=2)) == {
        f"layer{s + 1}.{b}.conv1" for s, n in enumerate((3, 4, 6, 3)) for b in range(0, n, 2)
    }
    # a quarter of 24 channels is 6, and the next multiple of 4 is 8
    mobile = gated_channels("gsm_mobilenet_v2")
    assert len(mobile) == 10
    assert mobile["features.3.conv.0.0"] == 8
    names = set(list_models("gs[mf]_*"))
    assert {f"gs{k}_{b}" for k in "mf" for b in ("bninception", "inception_v3", "resnet50")} <= names


def gate_by_hand(gate: nn.Module, x: torch.Tensor, frames: int) -> torch.Tensor:
    gate.context.open(frames)
    try:
        return gate(x)
    finally:
        gate.context.close()


@pytest.mark.parametrize("design", ["gsm", "gsf"])
@pytest.mark.parametrize("placement", ["conv1", "conv3"])
@pytest.mark.parametrize("kind", [Bottleneck, BasicBlock])
@torch.no_grad()
def test_a_residual_block_by_hand(design, placement, kind):
    name = "resnet50" if kind is Bottleneck else "resnet18"
    model = create_model(design, backbone=name, num_classes=2, placement=placement)
    randomise(model, size=32)
    block = model.backbone.layer1[1]
    x = torch.randn(3, block.conv1.in_channels, 8, 8)
    y = gate_by_hand(block.conv1.temporal, x, 3) if placement == "conv1" else x
    y = torch.relu(block.bn1(nn.Conv2d.forward(block.conv1, y)))
    if kind is Bottleneck:
        y = torch.relu(block.bn2(block.conv2(y)))
    last, norm = ("conv3", "bn3") if kind is Bottleneck else ("conv2", "bn2")
    y = nn.Conv2d.forward(getattr(block, last), y)
    y = gate_by_hand(getattr(block, last).temporal, y, 3) if placement == "conv3" else y
    want = torch.relu(getattr(block, norm)(y) + x)
    model.context.open(3)
    assert_close(block(x), want)
    model.context.close()


@torch.no_grad()
def test_an_inception_block_by_hand():
    model = small("gsm_bninception", size=64)
    net, seen = model.backbone, {}
    net.inception_4a_1x1.register_forward_hook(lambda _, inputs, out: seen.update(x=inputs[0], out=out))
    net.inception_4a_1x1_bn.register_forward_hook(lambda _, inputs, out: seen.update(to_norm=inputs[0]))
    model(clips(size=64))
    conv = nn.Conv2d.forward(net.inception_4a_1x1, seen["x"])
    assert torch.equal(seen["to_norm"], gate_by_hand(net.inception_4a_1x1.temporal, conv, 4))
    assert (seen["to_norm"] - conv).abs().max() > 0.05 * conv.abs().max()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("gsm_resnet18", {"placement": "conv2"}, "placement must be 'conv1' or 'conv3', got 'conv2'"),
        ("gsm_bninception", {"placement": "conv1"}, "in Inception backbones it is fixed"),
        ("gsm_bninception", {"every": 2}, "every is for residual backbones"),
        ("gsm_resnet18", {"every": 0}, "every must be a whole number of 1 or more, got 0"),
        ("gsf_inception_v3", {"placement": "conv3"}, "in Inception backbones it is fixed"),
        ("gsm_mobilenet_v2", {"placement": "conv3"}, "InvertedResidual.*use placement='conv1'"),
        ("gsm_resnet18", {"ratio": 0}, "at most 100 percent, got 0"),
        ("gsm_resnet18", {"ratio": 101}, "at most 100 percent, got 101"),
        ("gsm_resnet18", {"ratio": "half"}, "got 'half'"),
        ("gsf_resnet18", {"ratio": 0.5}, "0.5 percent of 64 channels"),
        ("gsm", {"backbone": "timm/inception_v3"}, "no residual blocks"),
        ("gsm", {"backbone": "torchvision/inception_v3"}, "Inception3"),
    ],
)
def test_invalid_options_are_reported_in_one_line(name, options, message):
    with pytest.raises(SpatempoError, match=message) as error, torch.device("meta"):
        create_model(name, **options)
    assert "\n" not in str(error.value)
