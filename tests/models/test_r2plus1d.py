"""The networks of the R(2+1)D paper: exact figures, temporal receptive fields, any clip length."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from networks import assert_close, clips, frames_seen, gradients, small

from spatempo.errors import SpatempoError
from spatempo.models.checkpoint import load, save_checkpoint
from spatempo.models.info import count_macs, count_params, describe
from spatempo.models.native.conv3d import Conv3d
from spatempo.models.native.convs import Conv2Plus1D, SpaceConv, SpaceTimeConv, mid_channels
from spatempo.models.registry import create_model, list_models
from spatempo.models.video_model import VideoModel
from spatempo.operators.base import Reach

# name, options, parameters (400 classes), GMACs, frames; 112 pixels
FIGURES = [
    ("r2d_18", {}, 11_447_568, 1.931780, 8),
    ("fr2d_18", {}, 11_381_712, 27.601, 16),
    ("r3d_18", {}, 33_371_472, 40.697, 16),
    ("mc2_18", {}, 11_400_528, 28.545, 16),
    ("mc3_18", {}, 11_695_440, 43.343, 16),
    ("mc4_18", {}, 12_727_632, 39.952, 16),
    ("mc5_18", {}, 16_856_400, 39.900, 16),
    ("rmc2_18", {}, 33_352_656, 39.752, 16),
    ("rmc3_18", {}, 33_057_744, 24.955, 16),
    ("rmc4_18", {}, 32_025_552, 29.091, 16),
    ("rmc5_18", {}, 27_896_784, 30.787, 16),
    ("r2plus1d_18", {}, 33_370_839, 41.496, 16),
    ("r2plus1d_18", {"midplanes": "torchvision"}, 31_505_325, 40.519, 16),
    ("r2plus1d_34", {}, 63_697_175, 152.36, 32),
    ("r3d_34", {}, 63_681_104, 150.756, 32),
    ("r2plus1d_50", {}, 46_985_057, 115.33, 32),
    ("r2plus1d_101", {}, 86_050_785, 176.47, 32),
    ("r2plus1d_152", {}, 118_226_785, 252.0, 32),
]
DESIGNS = ["r2d", "fr2d", "r3d", *(f"mc{i}" for i in range(2, 6)), *(f"rmc{i}" for i in range(2, 6)), "r2plus1d"]


def small_of(design: str, **options: Any) -> VideoModel:
    return small(f"{design}_18", width=4, **options)


@pytest.mark.parametrize(("name", "options", "params", "gmacs", "frames"), FIGURES)
def test_exact_figures(name, options, params, gmacs, frames):
    with torch.device("meta"):
        model = create_model(name, num_classes=400, frames=frames, **options)
    assert count_params(model) == params
    digits = len(str(gmacs).partition(".")[2])
    assert round(count_macs(model, frames, 112) / 1e9, digits) == gmacs


def test_every_published_name_is_listed():
    listed = [name for name, options, *_ in FIGURES if not options]
    assert set(listed) == {n for d in DESIGNS for n in list_models(f"{d}_*")}


@pytest.mark.parametrize(
    ("in_channels", "out_channels", "mid"),
    [(64, 64, 144), (64, 128, 230), (128, 128, 288), (128, 256, 460), (256, 256, 576), (256, 512, 921)],
)
def test_mid_channels_as_published(in_channels, out_channels, mid):
    assert mid_channels(in_channels, out_channels) == mid
    per_channel = 9 * in_channels + 3 * out_channels
    # the largest number whose parameters do not exceed those of the 3D kernel
    assert 0 <= 27 * in_channels * out_channels - mid * per_channel < per_channel


@torch.no_grad()
def test_factorised_convolution_by_hand():
    """One channel, frames of one pixel: only the centre of the spatial kernel counts, then ReLU, then three frames."""
    conv = Conv2Plus1D(1, 1, 2).eval()
    for layer in (conv[0], conv[3]):
        layer.weight.zero_()
    conv[0].weight[:, 0, 0, 1, 1] = torch.tensor([1.0, -1.0])
    conv[3].weight[0, 0, :, 0, 0] = torch.tensor([1.0, 10.0, 100.0])  # positive part: previous, current and next frame
    conv[3].weight[0, 1, :, 0, 0] = torch.tensor([0.0, -1.0, 0.0])  # negative part
    conv[1].eps = 1e-12  # torch 2.11 refuses 0
    x = torch.tensor([1.0, -2.0, 3.0, 4.0]).reshape(1, 1, 4, 1, 1)
    #                  10+0     1-2+300   30+400     3+40
    torch.testing.assert_close(conv(x).flatten(), torch.tensor([10.0, 299.0, 430.0, 43.0]))
    strided = Conv2Plus1D(1, 1, 2, stride=2).eval()
    strided.load_state_dict(conv.state_dict())
    strided[1].eps = 1e-12
    torch.testing.assert_close(strided(x).flatten(), torch.tensor([10.0, 430.0]))


def test_strides_and_padding():
    """2D stages have only spatial strides, so those of MC2 have more MACs than the last stages of R3D."""
    for maker, want in ((SpaceTimeConv, (4, 4)), (SpaceConv, (8, 4)), (Conv2Plus1D, (4, 4))):
        out = maker(2, 3, 5, stride=2)(torch.zeros(1, 2, 8, 8, 8))
        assert out.shape == (1, 3, want[0], want[1], 4)
        assert maker.shortcut_stride(2) == (8 // want[0], 2, 2)


@pytest.mark.parametrize(
    ("design", "want"),
    [
        *(("r3d", 1), ("r2plus1d", 1), ("rmc2", 1), ("rmc3", 1), ("mc5", 2), ("rmc4", 2), ("mc4", 4), ("rmc5", 4)),
        *(("mc2", 8), ("mc3", 8), ("fr2d", 8), ("r2d", 1)),
    ],
)
def test_temporal_positions_after_eight_frames(design, want):
    with torch.device("meta"):
        model = create_model(f"{design}_18", frames=8).eval()
        clip = torch.empty(2, 3, 8, 112, 112)
    assert model.forward_features(clip).shape == (2, 512, want, 7, 7)
    assert model.forward_frames(clip).shape == (2, want, 400)


@torch.no_grad()
@pytest.mark.parametrize("design", DESIGNS)
def test_any_clip_length_batch_independence_and_order(design):
    for frames in (1, 4, 5, 8, 16):
        model = small_of(design, frames=frames)
        batch = clips(frames, batch=3)
        out = model(batch)
        assert out.shape == (3, 3)
        one_by_one = torch.cat([model(clip[None]) for clip in batch])
        assert_close(one_by_one, out)
        assert_close(model.forward_frames(batch).mean(1), out)
    reordered = batch[:, :, torch.randperm(16, generator=torch.Generator().manual_seed(1))]
    change = (model(reordered) - out).abs().max() / out.abs().max()
    if design == "fr2d":  # frames are combined only by the final average
        assert change < 1e-5
    else:
        assert change > 1e-2


@torch.no_grad()
def test_f_r2d_processes_frames_separately():
    model = small_of("fr2d")
    clip = clips(8)
    frames = model.forward_frames(clip)
    assert (frames - frames.mean(1, keepdim=True)).abs().max() > 1e-2
    one_by_one = torch.stack([model(clip[:, :, t : t + 1]) for t in range(8)], 1)
    assert_close(frames, one_by_one)


def test_r2d_requires_its_number_of_frames(tmp_path):
    model = small_of("r2d", frames=5)
    assert model.preprocess.frames == 5
    assert model.backbone.stem[0].kernel_size == (5, 7, 7)
    with pytest.raises(SpatempoError, match=r"is made for clips of 5 frames and got 8: create it with frames=8"):
        model(clips(8))
    save_checkpoint(model, tmp_path)
    assert torch.equal(load(tmp_path)(clips(5)), model(clips(5)))
    assert create_model("r2d_18", width=4, frames=3).backbone.stem[0].kernel_size == (3, 7, 7)


@pytest.mark.parametrize(("design", "reach"), [("mc3", 5), ("mc4", 12), ("rmc5", 7), ("fr2d", 0), ("r2plus1d", 54)])
def test_the_temporal_receptive_field_by_gradient(design, reach):
    """In double precision, because the influence of the outermost frames is small."""
    model = small_of(design).double()
    assert model.reach == Reach(reach, reach)
    frames = 2 * reach + 17  # so that the receptive field of a position in the middle is inside the clip
    stride = 1
    for module in model.backbone.modules():
        if isinstance(module, (SpaceTimeConv, Conv2Plus1D)):
            last = module if isinstance(module, SpaceTimeConv) else module[3]
            stride *= last.stride[0]
    at = (frames // 2) // stride
    assert frames_seen(model, frames, at, size=16) == list(range(at * stride - reach, at * stride + reach + 1))


def test_r2d_uses_the_whole_clip():
    assert small_of("r2d").reach is None
    assert describe("r2d_18").temporal_receptive_field == "whole clip"
    assert describe("r3d_18", frames=16, size=112).temporal_receptive_field == 109


@pytest.mark.parametrize("design", ["r3d", "r2plus1d"])
def test_gradient_checkpointing_gives_the_same_gradients(design):
    model = small_of(design)
    plain = gradients(model, clips())
    calls = []
    block = model.backbone.layer2[0]
    handle = block.conv1.register_forward_hook(lambda *_: calls.append(1))
    model.set_grad_checkpointing()
    again = gradients(model, clips())
    assert len(calls) == 2  # once in the forward pass, once in the backward pass
    model.set_grad_checkpointing(False)
    handle.remove()
    assert len(plain) == len(list(model.parameters()))
    for a, b in zip(again, plain, strict=True):
        assert_close(a, b)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("autocast", [False, True])
def test_bfloat16_weight_gradients_for_a_kernel_longer_than_the_clip(frames, stride, autocast):
    """Those of nn.Conv3d are wrong in torch 2.15 on CPUs."""
    generator = torch.Generator().manual_seed(0)
    exact = Conv3d(16, 8, (5, 1, 1), (stride, 1, 1), (2, 0, 0), bias=False).double()
    conv = Conv3d(16, 8, (5, 1, 1), (stride, 1, 1), (2, 0, 0), bias=False)
    conv.load_state_dict(exact.state_dict())
    x = torch.randn(2, 16, frames, 8, 8, generator=generator)
    want = exact(x.double())
    grad = torch.randn(want.shape, generator=generator)
    want.backward(grad.double())
    if autocast:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            got = conv(x)
    else:
        conv.to(torch.bfloat16)
        got = conv(x.bfloat16())
    assert got.shape == want.shape
    got.backward(grad.to(got.dtype))
    torch.testing.assert_close(got.double(), want, rtol=0, atol=0.02 * float(want.detach().abs().max()))
    scale = float(exact.weight.grad.abs().max())
    torch.testing.assert_close(conv.weight.grad.double(), exact.weight.grad, rtol=0, atol=0.02 * scale)


def test_input_specification():
    spec = create_model("r2plus1d_18", width=4).preprocess
    assert (spec.frames, spec.size, spec.short_side, spec.sampling) == (16, 112, 128, "dense")
    assert spec.mean == (0.43216, 0.394666, 0.37645)
    assert create_model("r2plus1d_18", width=4, frames=8, size=64).preprocess.size == 64
    assert create_model("tsm_smallresnet").preprocess.frames == 8


def test_width_scales_every_layer():
    model = create_model("r2plus1d_18", width=16)
    assert model.backbone.stem[0].weight.shape == (11, 3, 1, 7, 7)
    assert [model.backbone.get_submodule(f"layer{i}")[0].conv1[1].num_features for i in (1, 2, 3, 4)] == [
        *(16, 32, 64, 128)
    ]
    assert model.head.fc.in_features == 128


def test_stages_in_info():
    facts = describe("mc3_18", frames=16, size=112)
    assert [(s["blocks"], s["shape"]) for s in facts.stages] == [
        (2, [64, 16, 56, 56]),
        (2, [128, 16, 28, 28]),
        (2, [256, 16, 14, 14]),
        (2, [512, 16, 7, 7]),
        (0, [512, 16, 7, 7]),
    ]


@pytest.mark.parametrize("name", ["r2d_18", "mc3_18", "r2plus1d_18", "r2plus1d_34"])
def test_published_figures_equal_ours(name):
    """Exact figures are equal. Others are rounded (49.75: 1e-3) or count more operations (mmaction2: 3e-3)."""
    exact, *others = describe(name).published
    assert exact["ours"] == {"params": exact["params"], "macs": exact["macs"]}
    for figure in others:
        assert figure["ours"]["params"] == pytest.approx(figure["params"], rel=2e-3)
        assert figure["ours"]["macs"] == pytest.approx(figure["macs"], rel=3e-3)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("r3d_19", {}, "no size '19'; its sizes are 18, 34"),
        ("r2plus1d_18", {"midplanes": "block"}, "midplanes must be 'paper' or 'torchvision'"),
        ("r2plus1d_18", {"form": "caffe2"}, "form must be"),
        ("r3d_18", {"midplanes": "paper"}, "no option 'midplanes'"),
        ("r3d_18", {"width": 0}, "width"),
        ("r3d_18", {"bn_eps": 0}, "bn_eps"),
        ("r2d_18", {"frames": 0}, "`frames=0`: give"),
        ("r3d_18", {"causal": True}, "no option 'causal'"),
    ],
)
def test_invalid_options_are_reported_in_one_line(name, options, message):
    with pytest.raises(SpatempoError, match=message) as error, torch.device("meta"):
        create_model(name, **options)
    assert "\n" not in str(error.value)
