"""The two Inceptions of Caffe's layout: names, sizes, and blocks."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from networks import small
from torch import nn

from spatempo.errors import SpatempoError
from spatempo.models.backbones.bninception import BNInception
from spatempo.models.backbones.caffe_layers import CaffeNet
from spatempo.models.backbones.inception_v3 import InceptionV3
from spatempo.models.info import count_macs, count_params, describe
from spatempo.models.registry import create_model
from spatempo.operators.shift import temporal_shift

# published names of BN-Inception's layers with weights, by block
FOUR = ("1x1", "3x3_reduce", "3x3", "double_3x3_reduce", "double_3x3_1", "double_3x3_2", "pool_proj")
TWO = ("3x3_reduce", "3x3", "double_3x3_reduce", "double_3x3_1", "double_3x3_2")
BN_INCEPTION = [
    *("conv1_7x7_s2", "conv2_3x3_reduce", "conv2_3x3"),
    *(f"inception_{b}_{layer}" for b in ("3a", "3b", "4a", "4b", "4c", "4d", "5a", "5b") for layer in FOUR),
    *(f"inception_{b}_{layer}" for b in ("3c", "4e") for layer in TWO),
]
# published names of InceptionV3's layers
A = ("conv", "tower_conv", "tower_conv_1", "tower_1_conv", "tower_1_conv_1", "tower_1_conv_2", "tower_2_conv")
B = (*A[:3], "tower_conv_2", *A[3:6], "tower_1_conv_3", "tower_1_conv_4", "tower_2_conv")
C = (
    *("conv", "tower_conv", "tower_mixed_conv", "tower_mixed_conv_1", "tower_1_conv", "tower_1_conv_1"),
    *("tower_1_mixed_conv", "tower_1_mixed_conv_1", "tower_2_conv"),
)
INCEPTION_V3 = [
    *("conv", "conv_1", "conv_2", "conv_3", "conv_4"),
    *(f"{m}_{layer}" for m in ("mixed", "mixed_1", "mixed_2") for layer in A),
    *(f"mixed_3_{layer}" for layer in ("conv", "tower_conv", "tower_conv_1", "tower_conv_2")),
    *(f"mixed_{m}_{layer}" for m in (4, 5, 6, 7) for layer in B),
    *(
        f"mixed_8_{layer}"
        for layer in ("tower_conv", "tower_conv_1", *(f"tower_1_conv{n}" for n in ("", "_1", "_2", "_3")))
    ),
    *(f"mixed_{m}_{layer}" for m in (9, 10) for layer in C),
]
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


# --- names and figures -----------------------------------------------------------------------------------------------


def test_published_key_names(inceptions):
    want = {f"{n}.{k}" for n in BN_INCEPTION for k in ("weight", "bias")}
    keys = {name: set(net.state_dict()) for name, net in inceptions.items()}
    assert keys["bninception"] == want | {f"{n}_bn.{k}" for n in BN_INCEPTION for k in NORM}
    want = {f"{n}_Conv2D.{k}" for n in INCEPTION_V3 for k in ("weight", "bias")}
    assert keys["inception_v3"] == want | {f"{n}_batchnorm.{k}" for n in INCEPTION_V3 for k in NORM}


def test_the_asymmetric_kernels_of_inception_v3(inceptions):
    shapes: dict[tuple[int, ...], set[str]] = {}
    for name, module in inceptions["inception_v3"].named_modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size[0] != module.kernel_size[1]:
            shapes.setdefault(module.kernel_size, set()).add(name.removesuffix("_Conv2D"))
    middle, end = (4, 5, 6, 7), (9, 10)
    assert shapes == {
        (7, 1): {f"mixed_{m}_tower_{c}" for m in middle for c in ("conv_1", "1_conv_2", "1_conv_4")}
        | {"mixed_8_tower_1_conv_1"},
        (1, 7): {f"mixed_{m}_tower_{c}" for m in middle for c in ("conv_2", "1_conv_1", "1_conv_3")}
        | {"mixed_8_tower_1_conv_2"},
        (3, 1): {f"mixed_{m}_{tower}_mixed_conv" for m in end for tower in ("tower", "tower_1")},
        (1, 3): {f"mixed_{m}_{tower}_mixed_conv_1" for m in end for tower in ("tower", "tower_1")},
    }
    widths = [inceptions["inception_v3"].get_submodule(f"mixed_{m}_tower_conv_Conv2D").out_channels for m in middle]
    assert widths == [128, 160, 160, 192]


@pytest.mark.parametrize(
    ("name", "size", "params", "gmacs"),
    [("tsn_bninception", 224, 10_448_590, 16.254), ("tsn_inception_v3", 229, 22_207_586 - 48_276, 26.619)],
)
def test_figures(name, size, params, gmacs):
    with torch.device("meta"):
        model = create_model(name, num_classes=174)
    assert model.preprocess.size == size
    assert count_params(model) == params
    assert round(count_macs(model, 8, size) / 1e9, 3) == gmacs


def test_info_shows_the_blocks():
    shapes = [(s["blocks"], s["shape"]) for s in describe("tsn_bninception", num_classes=5).stages]
    assert shapes == [
        *((1, [256, 8, 28, 28]), (1, [320, 8, 28, 28])),
        *((3, [576, 8, 14, 14]), (2, [608, 8, 14, 14])),
        *((1, [1056, 8, 7, 7]), (2, [1024, 8, 7, 7]), (0, [1024, 8, 7, 7])),
    ]
    facts = describe("tsn_inception_v3", num_classes=5)
    assert facts.size == 229
    assert [(s["blocks"], s["shape"][0], s["shape"][2]) for s in facts.stages] == [
        *((1, 256, 27), (2, 288, 27), (5, 768, 13), (1, 1280, 6), (2, 2048, 6), (0, 2048, 6))
    ]


@pytest.mark.parametrize("kind", [BNInception, InceptionV3])
def test_supported_and_unsupported_image_sizes(kind):
    with torch.device("meta"):
        net = kind().eval()
    first = kind.first_size
    for side in (first, first + 7, first + 32, first + 39, 7 * 32 + first % 32):
        assert net(torch.empty(1, 3, side, first, device="meta")).shape[1] == net.num_features
    for side in (first - 1, first + 8, first + 31):
        with pytest.raises(SpatempoError, match=f"got {side}$"):
            net(torch.empty(1, 3, first, side, device="meta"))


# --- blocks, by hand -------------------------------------------------------------------------------------------------


def runner(net: CaffeNet, conv: str, norm: str):
    def layer(x: torch.Tensor, *names: str) -> torch.Tensor:
        for name in names:
            x = net.get_submodule(conv.format(name))(x)
            x = torch.relu(net.get_submodule(norm.format(name))(x))
        return x

    return layer


def blocks_of(net: CaffeNet, x: torch.Tensor) -> dict[str, torch.Tensor]:
    maps: dict[str, torch.Tensor] = {}
    handles = [
        net.get_submodule(n).register_forward_hook(lambda _, __, out, n=n: maps.update({n: out}))
        for n in net.block_names
    ]
    with torch.no_grad():
        maps["end"] = net(x)
    for handle in handles:
        handle.remove()
    return maps


@torch.no_grad()
def test_bninceptions_blocks_by_hand(inceptions):
    net = inceptions["bninception"]
    layer, x = runner(net, "{}", "{}_bn"), torch.randn(1, 3, 64, 64)
    maps = blocks_of(net, x)
    x = F.max_pool2d(layer(x, "conv1_7x7_s2"), 3, 2, ceil_mode=True)
    x = F.max_pool2d(layer(x, "conv2_3x3_reduce", "conv2_3x3"), 3, 2, ceil_mode=True)
    for block in ("3a", "3b", "3c", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        at = f"inception_{block}_"
        halves = block in ("3c", "4e")
        three = layer(x, f"{at}3x3_reduce", f"{at}3x3")
        double = layer(x, f"{at}double_3x3_reduce", f"{at}double_3x3_1", f"{at}double_3x3_2")
        if halves:
            x = torch.cat([three, double, F.max_pool2d(x, 3, 2, ceil_mode=True)], 1)
        else:
            pool = F.max_pool2d(x, 3, 1, 1) if block == "5b" else F.avg_pool2d(x, 3, 1, 1)  # includes zero padding
            x = torch.cat([layer(x, f"{at}1x1"), three, double, layer(pool, f"{at}pool_proj")], 1)
        torch.testing.assert_close(maps[f"{at}output"], x)
    assert torch.equal(maps["end"], maps["inception_5b_output"])
    assert x.abs().max() > 1e-3


@torch.no_grad()
def test_inception_v3s_blocks_by_hand(inceptions):
    net = inceptions["inception_v3"]
    layer, x = runner(net, "{}_Conv2D", "{}_batchnorm"), torch.randn(1, 3, 70, 70)
    maps = blocks_of(net, x)
    x = F.max_pool2d(layer(x, "conv", "conv_1", "conv_2"), 3, 2, ceil_mode=True)
    x = F.max_pool2d(layer(x, "conv_3", "conv_4"), 3, 2, ceil_mode=True)
    for number in range(11):
        at = "mixed_" if number == 0 else f"mixed_{number}_"
        one = [layer(x, f"{at}conv")] if number != 8 else []
        pool = F.max_pool2d(x, 3, 1, 1) if number == 10 else F.avg_pool2d(x, 3, 1, 1)
        last = [layer(pool, f"{at}tower_2_conv")] if number not in (3, 8) else [F.max_pool2d(x, 3, 2, ceil_mode=True)]
        t, t1 = f"{at}tower_", f"{at}tower_1_"
        if number <= 2:
            middle = [layer(x, f"{t}conv", f"{t}conv_1"), layer(x, f"{t1}conv", f"{t1}conv_1", f"{t1}conv_2")]
        elif number == 3:
            middle = [layer(x, f"{t}conv", f"{t}conv_1", f"{t}conv_2")]
        elif number <= 7:
            middle = [
                layer(x, f"{t}conv", f"{t}conv_1", f"{t}conv_2"),
                layer(x, f"{t1}conv", *(f"{t1}conv_{n}" for n in (1, 2, 3, 4))),
            ]
        elif number == 8:
            middle = [
                layer(x, f"{t}conv", f"{t}conv_1"),
                layer(x, f"{t1}conv", *(f"{t1}conv_{n}" for n in (1, 2, 3))),
            ]
        else:
            left, right = layer(x, f"{t}conv"), layer(x, f"{t1}conv", f"{t1}conv_1")
            middle = [layer(left, f"{t}mixed_conv{n}") for n in ("", "_1")]
            middle += [layer(right, f"{t1}mixed_conv{n}") for n in ("", "_1")]
        x = torch.cat([*one, *middle, *last], 1)
        torch.testing.assert_close(maps[f"{at}join"], x)
    assert x.abs().max() > 1e-3


# --- the shift of TSM's code in BN-Inception -------------------------------------------------------------------------


@torch.no_grad()
def test_tsm_shifts_the_input_of_all_blocks():
    model = small("tsm_bninception", size=64)
    names = [plug.name for plug in model.plugs]
    blocks = ("3a", "3b", "3c", "4a", "4b", "4c", "4d", "4e", "5a")
    assert names == ["pool1_3x3_s2", "pool2_3x3_s2", *(f"inception_{b}_output" for b in blocks)]
    clip = torch.randn(1, 3, 4, 64, 64)
    seen: list[torch.Tensor] = []
    model.backbone.inception_3b_1x1.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    model.backbone.inception_3b_pool.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    join = model.backbone.inception_3a_output
    inner: list[torch.Tensor] = []
    join.register_forward_hook(lambda _, inputs, __: inner.append(torch.cat(inputs[0], 1)))
    out = model(clip)
    want = temporal_shift(inner[0][None], 8)[0]
    assert len(seen) == 2
    assert all(torch.equal(x, want) for x in seen)
    assert (model(clip.flip(2)) - out).abs().max() > 0.02 * out.abs().max()
    with pytest.raises(SpatempoError, match="no residual branch"):
        create_model("tsm_bninception", placement="residual")


@pytest.mark.parametrize("design", ["sth", "vsn"])
def test_designs_for_residual_blocks_refuse_bninception(design):
    with pytest.raises(SpatempoError, match="no residual blocks"), torch.device("meta"):
        create_model(design, backbone="bninception")


def test_gradient_checkpointing_without_residual_blocks_is_an_error():
    with torch.device("meta"):
        model = create_model("tsn_bninception")
    with pytest.raises(SpatempoError, match="no residual blocks"):
        model.set_grad_checkpointing()
