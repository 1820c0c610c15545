"""VSN in whole networks: shuffled blocks, placement, and the unchanged image network."""

from __future__ import annotations

import pytest
import torch
import torchvision
from networks import build_on, clips, frames_seen, small
from safetensors.torch import save_file
from torch import nn
from torchvision.models.mobilenetv2 import InvertedResidual
from torchvision.models.resnet import BasicBlock, Bottleneck

from spatempo.errors import SpatempoError
from spatempo.models.designs.vsn import vsn
from spatempo.models.info import count_macs, count_params, describe
from spatempo.models.registry import create_model, list_models
from spatempo.operators.shift import TemporalShift
from spatempo.operators.shuffle import VideoShuffle, video_shuffle


def plugged(name: str, operator: type, **options: object) -> list[str]:
    with torch.device("meta"):
        model = create_model(name, num_classes=2, **options)  # pyright: ignore[reportArgumentType]
    names = [n for n, m in model.named_modules() if isinstance(m, operator)]
    return [n.removeprefix("backbone.").removesuffix(".temporal") for n in names]


# --- blocks ----------------------------------------------------------------------------------------------------------


def test_compact_is_around_the_3x3_of_the_last_block_of_each_stage():
    last = ["layer1.2", "layer2.3", "layer3.5", "layer4.2"]
    assert plugged("vsn_resnet50", VideoShuffle) == [f"{b}.{c}" for b in last for c in ("conv2", "conv3")]
    deep = ["layer1.2", "layer2.3", "layer3.22", "layer4.2"]
    assert plugged("vsn_resnet101", VideoShuffle) == [f"{b}.{c}" for b in deep for c in ("conv2", "conv3")]


def test_headtail_is_around_the_whole_residual_branch():
    last = ["layer1.2", "layer2.3", "layer3.5", "layer4.2"]
    shuffles = plugged("vsn_resnet50", VideoShuffle, placement="headtail")
    assert shuffles == [f"{b}.{m}" for b in last for m in ("conv1", "bn3")]


def test_the_other_blocks_have_a_temporal_shift():
    standard = [f"layer{s + 1}.{b}.conv1" for s, n in enumerate((2, 3, 5, 2)) for b in range(n)]
    assert plugged("vsn_resnet50", TemporalShift) == standard
    assert len(plugged("vsn_resnet101", TemporalShift)) == 2 + 3 + 22 + 2  # all, as in the paper's table
    assert len(plugged("vsn_resnet101", TemporalShift, every=2)) == 1 + 2 + 11 + 1
    assert plugged("vsn_resnet50", TemporalShift, placement="headtail") == standard
    for on in ("on", True):
        assert plugged("vsn_resnet50", TemporalShift, shift=on) == standard
    for off in ("off", False):
        assert plugged("vsn_resnet50", TemporalShift, shift=off) == []
        assert len(plugged("vsn_resnet50", VideoShuffle, shift=off)) == 8


def test_the_option_blocks():
    first = [f"layer{s}.0.conv{c}" for s in (1, 2, 3, 4) for c in (2, 3)]
    assert plugged("vsn_resnet50", VideoShuffle, blocks="first") == first
    assert len(plugged("vsn_resnet50", TemporalShift, blocks="first")) == 12
    assert len(plugged("vsn_resnet50", VideoShuffle, blocks="all")) == 32
    assert plugged("vsn_resnet50", TemporalShift, blocks="all") == []


def test_basic_blocks_and_blocks_of_timm():
    assert plugged("vsn_resnet18", VideoShuffle) == [f"layer{s}.1.{m}" for s in (1, 2, 3, 4) for m in ("conv2", "bn2")]
    headtail = plugged("vsn_resnet18", VideoShuffle, placement="headtail")
    assert headtail == [f"layer{s}.1.{m}" for s in (1, 2, 3, 4) for m in ("conv1", "bn2")]
    with torch.device("meta"):
        ours, timm = (create_model("vsn", backbone=f"{lib}/resnet50") for lib in ("torchvision", "timm"))
    assert timm.plugged == ours.plugged
    assert {"vsn_resnet50", "vsn_resnet101"} <= set(list_models("vsn_*"))


def test_mobilenet_v2_shuffles_the_last_block_of_each_width():
    last = [3, 6, 10, 13, 16]  # blocks with an identity shortcut, of 24, 32, 64, 96 and 160 channels
    ours = [name for i in last for name in (f"features.{i}.conv.0.0", f"features.{i}.conv.3")]
    assert plugged("vsn_mobilenet_v2", VideoShuffle) == ours
    assert plugged("vsn_mobilenet_v2", VideoShuffle, placement="headtail") == ours
    assert plugged("vsn_mobilenet_v2", TemporalShift) == [f"features.{i}.conv.0.0" for i in (5, 8, 9, 12, 15)]
    assert plugged("vsn_mobilenet_v2", TemporalShift, shift="off") == []
    assert len(plugged("vsn", VideoShuffle, backbone="timm/mobilenetv2_100")) == 10
    with pytest.raises(SpatempoError, match=r"depthwise.*does not mix frames.*placement='headtail'"):
        plugged("vsn_mobilenet_v2", VideoShuffle, placement="compact")


@torch.no_grad()
def test_an_inverted_residual_by_hand():
    plain = InvertedResidual(16, 16, 1, 2).train()
    shuffled = InvertedResidual(16, 16, 1, 2).train()
    for norm in (m for m in plain.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.bias, -1, 1)
    shuffled.load_state_dict(plain.state_dict())
    build = build_on(_Stage(shuffled))
    vsn(build)
    x = torch.randn(8, 16, 5, 5)
    build.context.open(4)
    out = shuffled(x)
    build.context.close()

    def swap(y: torch.Tensor) -> torch.Tensor:
        return video_shuffle(y.unflatten(0, (-1, 4))).flatten(0, 1)

    torch.testing.assert_close(out, x + swap(plain.conv(swap(x))))
    assert (out - plain(x)).abs().max() > 0.1
    # why compact is refused: a shuffle around only the depthwise convolution does not mix frames
    changed = x.clone()
    changed[1] += 1  # the second frame of the first clip
    plain.eval()
    by_frame, after = (swap(plain.conv[1](swap(plain.conv[0](y)))) for y in (x, changed))
    assert ((by_frame - after).abs().amax((1, 2, 3)) > 0).tolist() == [False, True, *[False] * 6]


# --- placement in a block, by hand -----------------------------------------------------------------------------------


class _Stage(nn.Module):
    """A network with one stage of one block."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(block)


def branch_by_hand(block: nn.Module, x: torch.Tensor, placement: str, frames: int) -> torch.Tensor:
    """The residual branch layer by layer, with frames shuffled as defined in the paper."""

    def swap(y: torch.Tensor, here: bool) -> torch.Tensor:
        return video_shuffle(y.unflatten(0, (-1, frames))).flatten(0, 1) if here else y

    compact, headtail = placement == "compact", placement == "headtail"
    if isinstance(block, Bottleneck):
        y = torch.relu(block.bn1(block.conv1(swap(x, headtail))))
        y = swap(torch.relu(block.bn2(block.conv2(swap(y, compact)))), compact)
        return swap(block.bn3(block.conv3(y)), headtail)
    assert isinstance(block, BasicBlock)
    y = torch.relu(block.bn1(block.conv1(swap(x, headtail))))
    return swap(block.bn2(block.conv2(swap(y, compact))), compact or headtail)


@pytest.mark.parametrize("placement", ["compact", "headtail"])
@pytest.mark.parametrize("kind", [Bottleneck, BasicBlock])
@torch.no_grad()
def test_a_block_by_hand(kind, placement):
    plain = kind(32, 32 // kind.expansion).train()  # so that batch norms depend on the order of channels
    for norm in (m for m in plain.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.bias, -1, 1)
    shuffled = kind(32, 32 // kind.expansion).train()
    shuffled.load_state_dict(plain.state_dict())
    build = build_on(_Stage(shuffled))
    vsn(build, placement=placement)
    x = torch.randn(8, 32, 5, 5)
    build.context.open(4)
    out = shuffled(x)
    build.context.close()
    torch.testing.assert_close(out, torch.relu(branch_by_hand(plain, x, placement, 4) + x))
    assert (out - plain(x)).abs().max() > 0.1


# --- the image network is unchanged ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "params", "gmacs"), [("vsn_resnet50", 23_864_558, 32.70), ("vsn_resnet101", 42_856_686, 62.40)]
)
def test_adds_no_parameters_and_no_macs(name, params, gmacs):
    for kind, options in (("vsn", {}), ("vsn", {"placement": "headtail", "shift": "off"}), ("tsn", {})):
        with torch.device("meta"):
            model = create_model(name.replace("vsn", kind), num_classes=174, **options)
        assert count_params(model) == params
        assert round(count_macs(model, 8, 224) / 1e9, 2) == gmacs
        assert model.reach == (None if kind == "vsn" else (0, 0))


def test_published_figures():
    for name in ("vsn_resnet50", "vsn_resnet101"):
        for row in describe(name).published:
            assert row["ours"]["params"] == pytest.approx(row["params"], rel=0.003)
            assert row["ours"]["macs"] == pytest.approx(row["macs"], rel=0.015)


def test_image_weights_load_strictly_and_unchanged(tmp_path):
    weights = torchvision.models.resnet18(weights=None).state_dict()
    save_file(weights, tmp_path / "w.safetensors")
    known = {"pretrained": str(tmp_path / "w.safetensors"), "mean": (0.5,) * 3, "std": (0.5,) * 3}
    model = create_model("vsn_resnet18", num_classes=3, **known)
    kept = model.backbone.state_dict()
    assert list(kept) == [k for k in weights if not k.startswith("fc.")]
    assert all(torch.equal(kept[k], weights[k]) for k in kept)
    weights.pop("layer4.1.conv2.weight")
    save_file(weights, tmp_path / "w.safetensors")
    with pytest.raises(SpatempoError, match=r"lacks 1 weight \(layer4.1.conv2.weight\)"):
        create_model("vsn_resnet18", num_classes=3, **known)


# --- time ------------------------------------------------------------------------------------------------------------


@torch.no_grad()
def test_one_frame_is_the_image_network():
    model = small("vsn_smallresnet")
    plain = create_model("tsn_smallresnet", num_classes=3).eval()
    plain.load_state_dict(model.state_dict())
    unshifted = small("vsn_smallresnet", shift="off")
    unshifted.load_state_dict(model.state_dict())
    assert torch.equal(unshifted(clips(1)), plain(clips(1)))
    assert (unshifted(clips(4)) - plain(clips(4))).abs().max() > 1e-2  # with more frames they differ


@pytest.mark.parametrize("shift", ["on", "off"])
def test_every_frame_reaches_every_frame(shift):
    model = small("vsn_smallresnet", shift=shift)
    assert model.reach is None
    assert frames_seen(model, 8, at=0) == list(range(8))


# --- refusals --------------------------------------------------------------------------------------------------------


@torch.no_grad()
def test_a_number_of_frames_that_does_not_divide_the_channels_is_refused():
    model = small("vsn_smallresnet")
    with pytest.raises(SpatempoError, match=r"T = 5 does not divide C = 32"):
        model(clips(5))
    assert model(clips(4)).shape == (2, 3)


@pytest.mark.parametrize(
    ("backbone", "options", "message"),
    [
        ("resnet18", {"placement": "behind"}, "placement must be 'compact' or 'headtail', got 'behind'"),
        ("resnet18", {"shift": "maybe"}, "shift must be 'on' or 'off', got 'maybe'"),
        ("resnet18", {"shift": 2}, "shift"),
        ("resnet18", {"shift": [1]}, "shift"),
        ("resnet18", {"blocks": "some"}, "blocks"),
        ("resnet18", {"shift_div": 1}, "shift_div"),
        ("resnet18", {"every": 0}, "every"),
        ("resnet18", {"causal": True}, "causal"),
        ("mobilenet_v3_large", {}, "InvertedResidual.*use a ResNet"),
        ("timm/densenet121", {}, "no residual blocks"),
    ],
)
def test_invalid_options_are_reported_in_one_line(backbone, options, message):
    with pytest.raises(SpatempoError, match=message) as error, torch.device("meta"):
        create_model("vsn", backbone=backbone, **options)
    assert "\n" not in str(error.value)


def test_has_no_causal_form():
    with pytest.raises(SpatempoError, match="future frames"):
        small("vsn_smallresnet").init_state()
